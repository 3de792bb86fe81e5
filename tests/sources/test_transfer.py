"""Whatever goes wrong on the way: in the end every file that can be had is there, byte for byte."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from refcolor.sources.fetching.file_cache import FileCache
from refcolor.sources.fetching.transfer import Failure
from refcolor.sources.manifest import Record
from refcolor.sources.network.hosts import Hosts
from tests.sources.danbooru_server import DanbooruServer, Fault

SHARED = Path(__file__).parents[3] / "shared/data/portraits"


def files_of(folder: Path) -> dict[str, bytes]:
    """Read a folder."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def parts_in(folder: Path) -> list[Path]:
    """Find what is incomplete."""
    return sorted(folder.rglob("*.part"))


Download = Callable[..., list[Failure]]


def test_files_arrive_byte_for_byte(
    download: Download, server: DanbooruServer, tmp_path: Path
) -> None:
    """Each file is asked for once, and lies under its id as it is on the server."""
    ids = server.good[:40]
    assert download(server.records(ids)) == []
    assert files_of(tmp_path / "raw") == server.files(ids)
    assert set(Counter(request.path for request in server.log).values()) == {1}
    assert parts_in(tmp_path) == []


def test_what_is_here_is_not_asked_for_again(
    download: Download, server: DanbooruServer, tmp_path: Path
) -> None:
    """With the cache an empty folder fills without a request, and no file is on the disk twice."""
    ids = server.good[:20]
    download(server.records(ids))
    asked = len(server.log)
    assert download(server.records(ids), into="again") == []
    assert files_of(tmp_path / "again") == server.files(ids)
    assert len(server.log) == asked
    assert {file.stat().st_nlink for file in (tmp_path / "raw").iterdir()} == {3}


def test_one_address_of_many_records_is_asked_for_once(
    download: Download, server: DanbooruServer, tmp_path: Path
) -> None:
    """Records that share an address share its request, and its failure too."""
    path, gone = server.path_of(server.good[0]), server.path_of(server.good[1])
    server.faults[gone] = Fault("404")
    records = [server.record(path, n) for n in range(9)]
    records += [server.record(gone, n) for n in range(9, 15)]
    assert download(records) == [Failure(f"danbooru-{n}", "not_found") for n in range(10, 15)] + [
        Failure("danbooru-9", "not_found")
    ]
    assert len(files_of(tmp_path / "raw")) == 9
    assert len(server.log) == 2


# Faults that pass: the file is there in the end.


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
        (Fault("500", times=4), 5),
        (Fault("429", times=1), 2),
        (Fault("429", times=2, retry_after="3"), 3),
        (Fault("no_length"), 1),
        (Fault("octets"), 1),
    ],
    ids=lambda value: f"{value.kind}-{value.times}" if isinstance(value, Fault) else None,
)
@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_faults_that_pass_cost_requests_only(
    fault: Fault,
    requests: int,
    kind: str,
    download: Download,
    server: DanbooruServer,
    tmp_path: Path,
) -> None:
    """Cut, mistyped, refused or silent for a while: then the file is there, and no part of it."""
    id = next(id for id in server.good if server.path_of(id).endswith(kind))
    server.faults[server.path_of(id)] = Fault(**vars(fault))
    assert download(server.records([id])) == []
    assert files_of(tmp_path / "raw") == server.files([id])
    assert len(server.log) == requests
    assert parts_in(tmp_path) == []


def test_a_wrong_checksum_is_fetched_again(
    download: Download, server: DanbooruServer, tmp_path: Path
) -> None:
    """A file that is not the one that was listed is thrown away and asked for anew."""
    id = next(id for id in server.good if id % 2)
    server.faults[server.path_of(id)] = Fault("other", times=4)
    assert download(server.records([id])) == []
    assert files_of(tmp_path / "raw") == server.files([id])
    assert all("range" not in request.headers for request in server.log)


def test_a_cut_file_is_gone_on_with(download: Download, server: DanbooruServer) -> None:
    """After a cut only the rest is asked for, under the condition that the file is the same."""
    path = server.path_of(server.good[0])
    server.faults[path] = Fault("cut", times=2)
    download([server.record(path, 1)])
    size = len(server.content(path))
    assert sum(request.sent for request in server.log) == size
    assert server.statuses == [200, 206, 206]
    ranges = [request.headers.get("range") for request in server.log]
    assert ranges[:2] == [None, f"bytes={size // 2}-"]
    assert server.log[1].headers["if-range"].startswith('"')


def test_two_versions_are_never_glued_together(
    download: Download, server: DanbooruServer, tmp_path: Path
) -> None:
    """When a file was replaced after a cut, the new one is fetched from its beginning."""
    path = next(server.path_of(id) for id in server.good if not id % 2)
    server.faults[path] = Fault("cut", times=1)
    assert download([server.record(path, 1)], tries=1) == [Failure("danbooru-1", "cut_short")]
    server.faults[path] = Fault("other")
    assert download([server.record(path, 1)]) == []
    (content,) = files_of(tmp_path / "raw").values()
    assert content == server.content(path).replace(b"post ", b"fake ")


def test_without_a_version_or_a_checksum_nothing_is_gone_on_with(
    download: Download, server: DanbooruServer
) -> None:
    """A part of which nobody knows what it belongs to is fetched anew."""
    reduced, original = (next(id for id in server.good if id % 2 == odd) for odd in (0, 1))
    for id in (reduced, original):
        server.faults[server.path_of(id)] = Fault("cut", times=1, tags=False)
    assert download(server.records([reduced, original])) == []
    first, second = (server.requests_of(server.path_of(id))[1] for id in (reduced, original))
    assert "range" not in first.headers
    assert "range" in second.headers and "if-range" not in second.headers


def test_ranges_that_are_shorter_than_asked_add_up(
    download: Download, server: DanbooruServer, tmp_path: Path
) -> None:
    """A server may send less than the range: then the rest of the rest is asked for."""
    ids = server.good[:2]
    for id in ids:
        server.faults[server.path_of(id)] = Fault("short_ranges", times=4)
    assert download(server.records(ids)) == []
    assert files_of(tmp_path / "raw") == server.files(ids)
    assert len(server.log) == 10


def test_a_page_instead_of_a_file_does_not_spoil_the_part(
    download: Download, server: DanbooruServer, tmp_path: Path
) -> None:
    """What is here already stays here when the server says something else in between."""
    (id, *_) = server.good
    for fault in (Fault("cut"), Fault("html"), Fault("404")):
        server.faults[server.path_of(id)] = fault
        download(server.records([id]), tries=1)
    server.faults.clear()
    assert download(server.records([id])) == []
    assert server.statuses == [200, 200, 404, 206]
    assert files_of(tmp_path / "raw") == server.files([id])


def test_a_part_that_is_complete_already_is_taken(
    download: Download, server: DanbooruServer, tmp_path: Path
) -> None:
    """After a kill between the last byte and the new name, a 416 says that nothing is missing."""
    id = next(id for id in server.good if id % 2)
    path = server.path_of(id)
    part = FileCache(tmp_path / "cache").new_part(server.url + path, "")
    part.path.write_bytes(server.content(path))
    assert download(server.records([id])) == []
    assert files_of(tmp_path / "raw") == server.files([id])
    assert server.statuses == [416]


def test_a_part_that_is_too_long_is_thrown_away(
    download: Download, server: DanbooruServer, tmp_path: Path
) -> None:
    """A part longer than the file is none of it: start over."""
    id = next(id for id in server.good if id % 2)
    path = server.path_of(id)
    part = FileCache(tmp_path / "cache").new_part(server.url + path, "")
    part.path.write_bytes(server.content(path) + b"more")
    assert download(server.records([id])) == []
    assert files_of(tmp_path / "raw") == server.files([id])
    assert server.statuses == [416, 200]


@pytest.mark.parametrize("odd", [0, 1])
def test_another_range_than_asked_is_not_taken(
    odd: int, download: Download, server: DanbooruServer, tmp_path: Path
) -> None:
    """Bytes from another place are never put behind the part."""
    id = next(id for id in server.good if id % 2 == odd)
    server.faults[server.path_of(id)] = Fault("cut")
    download(server.records([id]), tries=1)
    server.faults[server.path_of(id)] = Fault("wrong_range", times=1)
    assert download(server.records([id])) == []
    assert files_of(tmp_path / "raw") == server.files([id])
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
        (Fault("503"), "server_error", 5),
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
        (Fault("redirect", to="http://10.0.0.1/a.jpg"), "private_address", 1),
        (Fault("redirect", to="/1.jpg"), "not_found", 2),
    ],
    ids=lambda value: f"{value.kind}-{value.to}" if isinstance(value, Fault) else None,
)
def test_faults_that_stay_are_reasons(
    fault: Fault,
    reason: str,
    requests: int,
    download: Download,
    server: DanbooruServer,
    tmp_path: Path,
) -> None:
    """What cannot be had is named with its reason; the others arrive; what may pass is tried."""
    path = next(server.path_of(id) for id in server.good if not id % 2)
    server.faults[path] = Fault(**vars(fault))
    server.faults["/1.jpg"] = Fault("404")
    others = server.good[5:8]
    records = [server.record(path, 1), *server.records(others)]
    assert download(records) == [Failure("danbooru-1", reason)]
    assert files_of(tmp_path / "raw") == server.files(others)
    assert len(server.log) == requests + 3


def test_a_wrong_checksum_that_stays_is_a_reason(
    download: Download, server: DanbooruServer, tmp_path: Path
) -> None:
    """A file that is never the one that was listed is no file; MD5 in capitals is the same."""
    id = next(id for id in server.good if id % 2)
    (record,) = server.records([id])
    server.faults[server.path_of(id)] = Fault("other")
    assert download([record]) == [Failure(record.id, "wrong_checksum")]
    assert files_of(tmp_path / "raw") == {} and parts_in(tmp_path) == []
    server.faults.clear()
    assert download([Record(record.id, record.address, checksum=record.checksum.upper())]) == []


@pytest.mark.parametrize(("kind", "threads"), [("stall", 1), ("trickle", 2)])
def test_a_silent_server_costs_seconds(
    kind: str,
    threads: int,
    download: Download,
    server: DanbooruServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stall, and a body that comes by the byte, end as timeouts while the others arrive."""
    monkeypatch.setattr("refcolor.sources.network.client.PATIENCE", 2)
    ids = server.good[:4]
    server.faults[server.path_of(ids[1])] = Fault(kind)
    start = time.monotonic()
    failures = download(server.records(ids), threads=threads, timeout=0.5, tries=2)
    assert failures == [Failure(f"danbooru-{ids[1]}", "timeout")]
    assert time.monotonic() - start < 8
    assert files_of(tmp_path / "raw") == server.files([ids[0], *ids[2:]])


def test_addresses_that_are_none_are_reasons(download: Download, server: DanbooruServer) -> None:
    """A list that somebody made may hold anything; each line has its own reason."""
    addresses = {
        "a": "not an address",
        "b": "ftp://example.org/a.png",
        "c": "https://example.org/a.png",
        "d": "http://192.168.0.1/admin.png",
        "e": f"http://localhost:{server.port}/1001.png",
    }
    failures = download(Record(id, address) for id, address in addresses.items())
    reasons = ["bad_address", "not_http", "other_host", "private_address", "other_host"]
    assert [failure.reason for failure in failures] == reasons
    anywhere = Hosts(any_public=True)
    record = Record("e", addresses["e"])
    assert download([record], hosts=anywhere) == [Failure("e", "private_address")]
    assert server.log == []


def test_the_extension_is_what_the_file_is(
    download: Download, server: DanbooruServer, tmp_path: Path
) -> None:
    """A PNG called .jpg becomes .png, so no later stage is misled."""
    png, jpg = server.path_of(1001, original=True), server.path_of(1004)
    content = server.content
    server.content = lambda path: content(png if path == jpg else path)  # type: ignore[method-assign]
    assert download([Record("a", server.url + jpg)]) == []
    assert [file.name for file in (tmp_path / "raw").iterdir()] == ["a.png"]


def test_a_whole_site_full_of_faults(
    download: Download, server: DanbooruServer, tmp_path: Path
) -> None:
    """Of 285 files every third has a fault: what can be had is had, the rest has its reason."""
    passing = [Fault(kind, times=2) for kind in ("cut", "html", "503", "no_answer", "429", "other")]
    lasting = {"404": "not_found", "damaged": "truncated", "endless": "too_large"}
    reasons: dict[int, str] = {}
    for n, id in enumerate(server.good[::3]):
        if n % 4 == 0:
            kind, reason = list(lasting.items())[n % 3]
            reasons[id] = reason
            server.faults[server.path_of(id, original=None)] = Fault(kind)
        elif id % 2:
            server.faults[server.path_of(id)] = Fault(**vars(passing[n % 6]))
    records = server.records(server.good)
    failures = download(records, threads=8)
    had = [id for id in server.good if id not in reasons]
    wanted = sorted(Failure(f"danbooru-{id}", reason) for id, reason in reasons.items())
    assert [(f.id, f.reason) for f in failures] == [
        (f.id, "wrong_checksum" if f.reason == "truncated" and int(f.id[9:]) % 2 else f.reason)
        for f in wanted
    ]
    assert files_of(tmp_path / "raw") == server.files(had)
    once = {server.path_of(id) for id in had} - server.faults.keys()
    assert {len(server.requests_of(path)) for path in once} == {1}
    assert download(reversed(records), threads=3) == failures
    assert {len(server.requests_of(path)) for path in once} == {1}


@pytest.mark.skipif(not SHARED.is_dir(), reason="the portraits are not here")
def test_real_pictures_arrive(download: Download, server: DanbooruServer, tmp_path: Path) -> None:
    """Hand-painted pictures as found, some of them large, come through the same checks."""
    pictures = sorted(
        file for file in SHARED.rglob("*") if file.suffix in (".png", ".jpg") and file.is_file()
    )[:12]
    pictures = [picture for picture in pictures if picture.stat().st_size < 500_000]
    by_path = {f"/{n}{picture.suffix}": picture for n, picture in enumerate(pictures)}
    server.content = lambda path: by_path[path].read_bytes()  # type: ignore[method-assign]
    assert download(Record(path[1:-4], server.url + path) for path in by_path) == []
    found = sorted(files_of(tmp_path / "raw").values())
    assert found == sorted(picture.read_bytes() for picture in pictures)
