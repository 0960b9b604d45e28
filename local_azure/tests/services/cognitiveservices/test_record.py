from local_azure.services.cognitiveservices.chat.record import MOST_BYTES, MOST_REQUESTS, Exchange, Record


def exchange(name: str) -> Exchange:
    return Exchange("2026-11-25T12:00:00Z", "p", name, "2024-10-21", None, 200, None, False)


def deployments(record: Record) -> list[str]:
    return [one.deployment for one in record.exchanges()]


def test_only_the_newest_requests_are_kept() -> None:
    record = Record()
    for number in range(MOST_REQUESTS + 5):
        record.add(exchange(str(number)), 10)
    assert deployments(record) == [str(number) for number in range(5, MOST_REQUESTS + 5)]


def test_large_requests_push_others_out_but_never_the_newest() -> None:
    record = Record()
    record.add(exchange("small"), 1)
    record.add(exchange("half"), MOST_BYTES // 2)
    record.add(exchange("other half"), MOST_BYTES // 2)
    assert deployments(record) == ["half", "other half"]
    record.add(exchange("too large"), MOST_BYTES * 2)
    assert deployments(record) == ["too large"]


def test_a_cleared_record_has_room_again() -> None:
    record = Record()
    record.add(exchange("large"), MOST_BYTES)
    record.clear()
    record.add(exchange("a"), MOST_BYTES // 2)
    record.add(exchange("b"), MOST_BYTES // 2)
    assert deployments(record) == ["a", "b"]
