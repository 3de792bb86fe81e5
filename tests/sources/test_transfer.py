"""After any fault, in the end every file that can be fetched exists, byte for byte."""

import errno
import os
import shutil
import time
import warnings
from collections import Counter
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from refcolor.errors import RefcolorError
from refcolor.sources.fetching.file_cache import FileCache
from refcolor.sources.fetching.transfer import MAX_NETWORK_FAILURES, MAX_REFUSALS, Failure
from refcolor.sources.manifest import Record
from refcolor.sources.network.errors import SourceBlockedError
from refcolor.sources.network.hosts import Hosts
from tests.sources.conftest import Network
from tests.sources.danbooru_server import Fault


def names(value: object) -> str | None:
    """Name a fault in the id of a test."""
    return f"{value.kind}-{value.times}" if isinstance(value, Fault) else None


def test_files_arrive_byte_for_byte(network: Network) -> None:
    """Each file is requested once, and is saved under its id with the bytes of the server."""
    server, ids = network.server, network.server.good[:40]
    assert network.download(server.records(ids)) == []
    assert network.files() == server.files(ids)
    assert set(Counter(request.path for request in server.log).values()) == {1}
    assert not list(network.folder.rglob("*.part"))


def test_cached_files_cost_no_request(network: Network) -> None:
    """From the cache an empty folder fills without a request, and no file is on the disk twice."""
    server, ids = network.server, network.server.good[:20]
    network.download(server.records(ids))
    requests = len(server.log)
    assert network.download(server.records(ids), into="again") == []
    assert network.files("again") == server.files(ids)
    assert len(server.log) == requests
    assert {file.stat().st_nlink for file in (network.folder / "raw").iterdir()} == {3}


def test_an_address_of_many_records_is_requested_once(network: Network) -> None:
    """Records that share an address share its request, and its failure too."""
    server = network.server
    path, missing = server.path_of(server.good[0]), server.path_of(server.good[1])
    server.faults[missing] = Fault("404")
    records = [server.record(path, n) for n in range(10, 19)]
    records += [server.record(missing, n) for n in range(20, 26)]
    assert network.download(records) == [
        Failure(f"danbooru-{n}", "not_found") for n in range(20, 26)
    ]
    assert len(network.files()) == 9
    assert len(server.log) == 2


# Retryable faults: the file is there in the end.


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        (Fault("cut", times=2), 3),
        (Fault("cut", times=2, ranges=False), 3),
        (Fault("cut_silently", times=2), 3),
        (Fault("no_answer", times=3), 4),
        (Fault("html", times=4), 5),
        (Fault("html_as_image", times=4), 5),
        (Fault("503", times=2), 3),
        (Fault("429", times=2, retry_after="3"), 3),
        (Fault("short_ranges", times=4), 5),
        (Fault("no_length"), 1),
        (Fault("octets"), 1),
    ],
    ids=names,
)
@pytest.mark.parametrize("kind", ["original", "reduced"])
def test_files_arrive_after_retryable_faults(
    fault: Fault, requests: int, kind: str, network: Network
) -> None:
    """After a cut, a wrong type, a refusal or a silence the file is complete, without a part."""
    server, id = network.server, getattr(network, kind)
    server.faults[server.path_of(id)] = Fault(**vars(fault))
    assert network.download(server.records([id])) == []
    assert network.files() == server.files([id])
    assert len(server.log) == requests
    assert not list(network.folder.rglob("*.part"))


def test_a_wrong_checksum_is_fetched_again(network: Network) -> None:
    """A file that is not the listed one is deleted, and requested from its beginning."""
    server, id = network.server, network.original
    server.faults[server.path_of(id)] = Fault("other", times=4)
    assert network.download(server.records([id])) == []
    assert network.files() == server.files([id])
    assert all("range" not in request.headers for request in server.log)


def test_a_cut_file_is_resumed(network: Network) -> None:
    """After a cut only the rest is requested, under the condition that the file is the same."""
    server = network.server
    path = server.path_of(server.good[0])
    server.faults[path] = Fault("cut", times=2)
    network.download([server.record(path, 1)])
    size = len(server.content(path))
    assert sum(request.sent for request in server.log) == size
    assert server.statuses == [200, 206, 206]
    ranges = [request.headers.get("range") for request in server.log]
    assert ranges[:2] == [None, f"bytes={size // 2}-"]
    assert server.log[1].headers["if-range"].startswith('"')


def test_parts_of_two_versions_are_never_joined(network: Network) -> None:
    """When a file was replaced after a cut, the new one is fetched from its beginning."""
    server, path = network.server, network.server.path_of(network.reduced)
    server.faults[path] = Fault("cut", times=1)
    assert network.download([server.record(path, 1)], tries=1) == [
        Failure("danbooru-1", "cut_short")
    ]
    server.faults[path] = Fault("other")
    assert network.download([server.record(path, 1)]) == []
    assert list(network.files().values()) == [server.content(path).replace(b"post ", b"fake ")]


def test_without_a_version_or_a_checksum_nothing_is_resumed(network: Network) -> None:
    """A part of an unknown version is fetched again, unless a checksum can verify it."""
    server, ids = network.server, (network.reduced, network.original)
    for id in ids:
        server.faults[server.path_of(id)] = Fault("cut", times=1, tags=False)
    assert network.download(server.records(ids)) == []
    first, second = (server.requests_of(server.path_of(id))[1] for id in ids)
    assert "range" not in first.headers
    assert "range" in second.headers and "if-range" not in second.headers


def test_an_error_page_leaves_the_part_unchanged(network: Network) -> None:
    """A partial file survives error responses."""
    server, (id, *_) = network.server, network.server.good
    for fault in (Fault("cut"), Fault("html"), Fault("404")):
        server.faults[server.path_of(id)] = fault
        network.download(server.records([id]), tries=1)
    server.faults.clear()
    assert network.download(server.records([id])) == []
    assert server.statuses == [200, 200, 404, 206]
    assert network.files() == server.files([id])


@pytest.mark.parametrize(("more", "statuses"), [(b"", [416]), (b"more", [416, 200])])
def test_a_part_that_is_complete_is_checked(
    more: bytes, statuses: list[int], network: Network
) -> None:
    """After a kill before the renaming a 416 means that nothing is missing."""
    server, id = network.server, network.original
    path = server.path_of(id)
    part = FileCache(network.folder / "cache").new_part(server.url + path, "")
    part.path.write_bytes(server.content(path) + more)
    assert network.download(server.records([id])) == []
    assert network.files() == server.files([id])
    assert server.statuses == statuses


@pytest.mark.parametrize("kind", ["original", "reduced"])
def test_a_wrong_range_is_not_appended(kind: str, network: Network) -> None:
    """Bytes of another offset are never appended to a part."""
    server, id = network.server, getattr(network, kind)
    server.faults[server.path_of(id)] = Fault("cut")
    network.download(server.records([id]), tries=1)
    server.faults[server.path_of(id)] = Fault("wrong_range", times=1)
    assert network.download(server.records([id])) == []
    assert network.files() == server.files([id])
    assert server.statuses == [200, 206, 200]


# Faults that stay: a reason for each, and nothing of it in the folder.


@pytest.mark.parametrize(
    ("fault", "reason", "requests"),
    [
        (Fault("404"), "not_found", 1),
        (Fault("410"), "gone", 1),
        (Fault("451"), "taken_down", 1),
        (Fault("403"), "forbidden", 1),
        (Fault("418"), "refused", 1),
        (Fault("500"), "server_error", 5),
        (Fault("429"), "rate_limited", 5),
        (Fault("no_answer"), "unreachable", 5),
        (Fault("cut", ranges=False), "cut_short", 5),
        (Fault("html"), "wrong_type", 5),
        (Fault("html_as_image"), "wrong_type", 5),
        (Fault("mislabelled"), "wrong_type", 5),
        (Fault("empty"), "empty_file", 1),
        (Fault("damaged"), "truncated", 1),
        (Fault("cut_silently"), "truncated", 5),
        (Fault("animated"), "animated", 1),
        (Fault("endless"), "too_large", 1),
        (Fault("redirect", to="https://example.org/a.jpg"), "other_host", 1),
        (Fault("redirect", to="/1.jpg"), "not_found", 2),
    ],
    ids=names,
)
def test_permanent_faults_are_reasons(
    fault: Fault, reason: str, requests: int, network: Network
) -> None:
    """A file that cannot be fetched is listed with its reason; the others arrive."""
    server, path = network.server, network.server.path_of(network.reduced)
    server.faults |= {path: Fault(**vars(fault)), "/1.jpg": Fault("404")}
    others = server.good[5:8]
    records = [server.record(path, 1), *server.records(others)]
    assert network.download(records) == [Failure("danbooru-1", reason)]
    assert network.files() == server.files(others)
    assert len(server.log) == requests + 3


def test_a_permanent_wrong_checksum_is_a_reason(network: Network) -> None:
    """A file with another checksum is not kept; MD5 in capitals is the same."""
    server, id = network.server, network.original
    (record,) = server.records([id])
    server.faults[server.path_of(id)] = Fault("other")
    assert network.download([record]) == [Failure(record.id, "wrong_checksum")]
    assert network.files() == {} and not list(network.folder.rglob("*.part"))
    server.faults.clear()
    capitals = Record(record.id, record.address, checksum=record.checksum.upper())
    assert network.download([capitals]) == []


def test_a_silent_server_is_a_timeout(network: Network) -> None:
    """A stalled file ends as a timeout while the others arrive."""
    server, ids = network.server, network.server.good[:4]
    server.faults[server.path_of(ids[1])] = Fault("stall")
    failures = network.download(server.records(ids), threads=1, timeout=0.5, tries=2)
    assert failures == [Failure(f"danbooru-{ids[1]}", "timeout")]
    assert network.files() == server.files([ids[0], *ids[2:]])


def test_bad_addresses_are_reasons(network: Network) -> None:
    """Each bad address of a list fails with its own reason."""
    loopback = f"http://localhost:{network.server.port}/1001.png"
    addresses = {
        "bad_address": "not an address",
        "not_http": "ftp://example.org/a.png",
        "other_host": "https://example.org/a.png",
        "private_address": "http://192.168.0.1/admin.png",
    }
    failures = network.download(Record(id, address) for id, address in addresses.items())
    assert failures == [Failure(reason, reason) for reason in sorted(addresses)]
    anywhere = network.download([Record("e", loopback)], hosts=Hosts(any_public=True))
    assert anywhere == [Failure("e", "private_address")]
    assert network.server.log == []


def test_the_extension_is_that_of_the_content(network: Network) -> None:
    """A PNG called .jpg becomes .png, so no later stage is misled."""
    server, content = network.server, network.server.content
    png, jpg = server.path_of(1001, original=True), server.path_of(1004)
    server.content = lambda path: content(png if path == jpg else path)  # type: ignore[method-assign]
    assert network.download([Record("a", server.url + jpg)]) == []
    assert network.files().keys() == {"a.png"}


# Stops: nothing finished is lost, and the next run goes on.


def test_a_blocked_source_stops_at_once(network: Network) -> None:
    """Cloudflare's challenge ends the stage with advice; finished files stay."""
    server, ids = network.server, network.server.good[:30]
    network.download(server.records(ids[:5]))
    server.faults["*"] = Fault("cloudflare")
    with pytest.raises(SourceBlockedError, match="Cloudflare"):
        network.download(server.records(ids), threads=2)
    assert len(server.log) <= 5 + 4
    server.faults.clear()
    assert network.download(server.records(ids)) == []
    assert network.files() == server.files(ids)


def test_a_dead_network_stops_the_stage(network: Network) -> None:
    """After fifty consecutive network failures no thread begins another file."""
    network.server.faults["*"] = Fault("503")
    with pytest.raises(RefcolorError, match=r"last 50 pictures .* server_error .*: the network"):
        network.download(network.server.records(network.server.good), tries=1)
    assert MAX_NETWORK_FAILURES <= len(network.server.log) <= MAX_NETWORK_FAILURES + 8


REFUSALS = [
    *(Fault("403"), Fault("html_403"), Fault("418"), Fault("429"), Fault("html")),
    Fault("html_as_image"),
    *(Fault("redirect", to=f"http://{host}/login") for host in ("example.org", "10.0.0.1")),
]


@pytest.mark.parametrize("fault", REFUSALS, ids=names)
def test_repeated_refusals_stop_the_stage(fault: Fault, network: Network) -> None:
    """A ban or a login page, in whatever form, is noticed after five files, with advice."""
    server, ids = network.server, network.server.good[:100]
    network.download(server.records(ids[::3]))
    server.faults["*"] = Fault(**vars(fault))
    advice = r"last 5 pictures .* refuses .*DANBOORU_USER_ID.*run the same command again"
    with pytest.raises(RefcolorError, match=advice):
        network.download(server.records(ids), threads=2, tries=1)
    assert len(server.log) <= len(ids[::3]) + MAX_REFUSALS + 1
    server.faults.clear()
    assert network.download(server.records(ids)) == []
    assert network.files() == server.files(ids)


def test_refused_files_between_others_are_only_failures(network: Network) -> None:
    """Four of five files may be refused: only five refusals in a row are a ban."""
    server, ids = network.server, network.server.good[:50]
    refused = [id for number, id in enumerate(ids) if number % 5]
    server.faults |= {server.path_of(id): Fault("403") for id in refused}
    failures = network.download(server.records(ids), threads=1)
    assert [failure.reason for failure in failures] == ["forbidden"] * len(refused)


@pytest.mark.parametrize(
    ("fault", "reason", "limit"),
    [
        (Fault("403"), "forbidden", MAX_REFUSALS),
        (Fault("ban"), "forbidden", MAX_REFUSALS),
        (Fault("503"), "server_error", MAX_NETWORK_FAILURES),
    ],
    ids=names,
)
def test_a_list_goes_on_without_a_server_that_refuses(
    fault: Fault,
    reason: str,
    limit: int,
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In a list of many servers the files of the others arrive, and a line names that server."""
    for module in ("hosts", "session"):
        monkeypatch.setattr(f"refcolor.sources.network.{module}.is_public", lambda address: True)
    server, ids = network.server, network.server.good[:120]
    bad, good = server.records(ids[:80]), server.records(ids[80:])
    good = [
        replace(record, address=record.address.replace("127.0.0.1", "localhost")) for record in good
    ]
    server.faults |= {server.path_of(id): Fault(**vars(fault)) for id in ids[:80]}
    both = [record for pair in zip(bad[:40], good, strict=True) for record in pair] + bad[40:]
    failures = network.download(both, threads=1, tries=1, hosts=Hosts(any_public=True))
    assert {failure.id for failure in failures} == {record.id for record in bad}
    assert {failure.reason for failure in failures} == {reason}
    assert network.files() == server.files(ids[80:])
    assert len(server.log) == limit + len(good)
    assert f"no more pictures of {server.url} are requested" in capsys.readouterr().err


def test_videos_in_a_list_are_not_refusals(network: Network) -> None:
    """Any number of files of another type in a row are failures of their own."""
    server, ids = network.server, network.server.good[:20]
    server.faults |= {server.path_of(id): Fault("video") for id in ids[:10]}
    failures = network.download(server.records(ids), tries=1)
    assert [failure.reason for failure in failures] == ["wrong_type"] * 10


def test_a_full_disk_stops_everything(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space left is an error of the disk and not of a file; nothing finished is lost."""
    server, ids, links, real = network.server, network.server.good[:30], count(), os.link

    def link(*paths: Any) -> None:
        if next(links) == 9:
            raise OSError(errno.ENOSPC, "No space left on device", str(paths[1]))
        real(*paths)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(OSError, match="No space left"):
        network.download(server.records(ids), threads=1)
    monkeypatch.undo()
    assert len(network.files()) == 9
    assert network.download(server.records(ids)) == []
    assert network.files() == server.files(ids)
    assert len(server.log) == 30


def test_a_disk_without_links_gets_copies(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where files cannot have two names they are copied, and no temporary name stays."""

    def refuse(*_paths: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    ids = network.server.good[:6]
    assert network.download(network.server.records(ids)) == []
    assert network.files() == network.server.files(ids)


def test_a_damaged_cache_heals(network: Network) -> None:
    """An empty file after a power cut, and one with another checksum, are fetched again."""
    ids, cache = [network.original, network.reduced], FileCache(network.folder / "cache")
    records = network.server.records(ids)
    network.download(records)
    for record, content in zip(records, (b"rotten", b""), strict=True):
        cache.files(record.address)[0].write_bytes(content)
    shutil.rmtree(network.folder / "raw")
    assert network.download(records) == []
    assert network.files() == network.server.files(ids)
    assert len(network.server.log) == 4


def test_the_warning_filters_are_unchanged(network: Network) -> None:
    """Reading pictures in eight threads does not change the warning filters of the program."""
    before = list(warnings.filters)
    network.download(network.server.records(network.server.good[:60]), threads=8)
    assert list(warnings.filters) == before


def test_an_error_stops_all_threads(network: Network) -> None:
    """After a download has ended with an error, no request follows."""
    network.server.faults[network.server.path_of(network.server.good[3])] = Fault("cloudflare")
    with pytest.raises(SourceBlockedError):
        network.download(network.server.records(network.server.good))
    requests = len(network.server.log)
    time.sleep(0.1)
    assert len(network.server.log) == requests < 40
