from local_azure.services.cognitiveservices.chat.record import MAX_BYTES, MAX_REQUESTS, Record


def kept(record: Record, *requests: tuple[str, int]) -> list[str]:
    """The deployments in the record after requests of so many bytes to those deployments."""
    for deployment, size in requests:
        record.add({"deployment": deployment}, size)
    return [exchange["deployment"] for exchange in record.exchanges()]


def test_only_the_newest_requests_are_kept() -> None:
    names = [str(number) for number in range(MAX_REQUESTS + 5)]
    assert kept(Record(), *((name, 10) for name in names)) == names[5:]


def test_large_requests_push_others_out_but_never_the_newest() -> None:
    record, half = Record(), MAX_BYTES // 2
    assert kept(record, ("small", 1), ("half", half), ("other half", half)) == ["half", "other half"]
    assert kept(record, ("too large", MAX_BYTES * 2)) == ["too large"]
    record.clear()
    assert kept(record, ("a", half), ("b", half)) == ["a", "b"]
