"""ARM resource ids as text, compared without regard to case as ARM compares them."""

PROVIDERS = "/providers/"
RESOURCE_GROUP_TYPE = "Microsoft.Resources/resourceGroups"
SUBSCRIPTION_TYPE = "Microsoft.Resources/subscriptions"


def key(resource_id: str) -> str:
    """The canonical form: equal for two ids of the same resource."""
    return resource_id.rstrip("/").lower()


def same(left: str, right: str) -> bool:
    return key(left) == key(right)


def is_at_or_below(resource_id: str, scope: str) -> bool:
    """True when `scope` is the resource itself or contains it: group, parent, subscription or `/`."""
    inner, outer = key(resource_id), key(scope)
    return inner == outer or inner.startswith(outer + "/")


def subscription(subscription_id: str) -> str:
    return f"/subscriptions/{subscription_id}"


def resource_group(subscription_id: str, name: str) -> str:
    return f"{subscription(subscription_id)}/resourceGroups/{name}"


def build(scope: str, resource_type: str, *names: str) -> str:
    """`build(group, "Microsoft.Web/sites", "app")`; one name for each type segment after the namespace."""
    namespace, *types = resource_type.split("/")
    if len(types) != len(names):
        raise ValueError(f"{resource_type} needs {len(types)} names, got {len(names)}")
    pairs = "/".join(f"{segment}/{name}" for segment, name in zip(types, names, strict=True))
    return f"{scope.rstrip('/')}{PROVIDERS}{namespace}/{pairs}"


def parse(resource_id: str) -> tuple[str, str, tuple[str, ...]]:
    """(scope, type, names) of an id; raises ValueError for text that is no ARM id.

    The scope is the text before the last `/providers/`: a resource group, or for an extension resource
    (lock, role assignment) the resource that it extends.
    """
    text = resource_id.rstrip("/")
    at = text.lower().rfind(PROVIDERS)
    if at >= 0:
        scope, (namespace, *rest) = text[:at], text[at + len(PROVIDERS) :].split("/")
        types, names = rest[0::2], rest[1::2]
        if types and len(types) == len(names) and all(rest) and namespace:
            return scope, "/".join((namespace, *types)), tuple(names)
    else:
        parts = text.split("/")
        words = [part.lower() for part in parts[1::2]]
        if parts[0] == "" and all(parts[1:]):
            if words == ["subscriptions", "resourcegroups"] and len(parts) == 5:
                return "/".join(parts[:3]), RESOURCE_GROUP_TYPE, (parts[4],)
            if words == ["subscriptions"] and len(parts) == 3:
                return "", SUBSCRIPTION_TYPE, (parts[2],)
    raise ValueError(
        f"{resource_id!r} is not an ARM resource id (/subscriptions/…/resourceGroups/…/providers/…)"
    )


def collection(path: str) -> tuple[str, str] | None:
    """(container, type) of the path of a list, as `…/sites/app` and `Microsoft.Web/sites/slots`.

    The container is the parent, or the scope of a top-level type; None for any other path.
    """
    text = path.rstrip("/")
    at = text.lower().rfind(PROVIDERS)
    namespace, *rest = text[at + len(PROVIDERS) :].split("/")
    if at < 0 or len(rest) % 2 == 0 or not all((namespace, *rest)):
        return None
    return text[:at] if len(rest) == 1 else text.rpartition("/")[0], "/".join((namespace, *rest[0::2]))


def type_of(resource_id: str) -> str:
    """`Microsoft.Storage/storageAccounts/tableServices/tables`, in the id's own case."""
    return parse(resource_id)[1]


def name_of(resource_id: str) -> str:
    """The last name in the id."""
    return parse(resource_id)[2][-1]


def parent_of(resource_id: str) -> str:
    """The id of the top-level resource that the resource belongs to."""
    scope, resource_type, names = parse(resource_id)
    return build(scope, "/".join(resource_type.split("/")[:2]), names[0])


def is_tracked(resource_id: str) -> bool:
    """Whether it is a resource group or a top-level resource in one: no child, no extension resource."""
    try:
        scope, resource_type, _ = parse(resource_id)
    except ValueError:
        return False
    return resource_type == RESOURCE_GROUP_TYPE or (
        resource_type.count("/") == 1
        and len(scope.split("/")) == 5
        and not resource_type.lower().startswith("microsoft.authorization/")
    )


def resource_group_of(resource_id: str) -> str | None:
    """The id of the resource group that is, or contains, the resource; None at subscription level."""
    parts = resource_id.rstrip("/").split("/")
    if len(parts) >= 5 and parts[3].lower() == "resourcegroups":
        return "/".join(parts[:5])
    return None
