"""What the authorizer is asked: every route, by every kind of thing, refused one by one.

The table says what the host's own API would ask for; it is made from what a request does to the
host, and not from the bridge's code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from tests.web.choice import FAR, POSING, Chosen, choose, furnish
from tests.web.test_access import VERBS, Verb

# Kinds of things by the name in a route, and what of the host each belongs to.
KERNELS = {"kernel": ("{kernel}", "kernels"), "far kernel": (f"{FAR}:k", "kernels far")}
SPECS = {"spec": ("python3", "kernels"), "far spec": (f"{FAR}:python3", "kernels far")}
CONSOLES = {
    "terminal": ("{terminal}", "terminals"),
    "terminal that is called like a file": (POSING, "terminals"),
    "file": ("file:plain.txt", "contents"),
    "kernel": ("kernel:{kernel}", "kernels"),
    "far console": (f"{FAR}:1", "far"),
    "far kernel": (f"kernel:{FAR}:k", "kernels far"),
}
EXECUTIONS = {"execution": ("{execution}", "kernels")}
RUNS = {"run": ("{run}", "terminals")}
# A folder connection shows files of this host.
FOLDER = {"folder": ("lab", "")}
THINGS = {
    "kernel_id": KERNELS,
    "kernelspec": SPECS,
    "execution_id": EXECUTIONS,
    "run_id": RUNS,
    "name": CONSOLES,
}
READS, WRITES = ("read contents",), ("write contents",)
ENV = {"env": {"A": "1"}}
TEXTS = {"notebook_path": "n.ipynb", "requirements_list": "", "runtime": ""}
DOWN = {"connection": "lab", "direction": "download", "permId": "a", "path": "stolen"}
UP = {"connection": "lab", "direction": "upload", "permId": "", "path": "plain.txt"}


class Case(NamedTuple):
    """One request, and what the authorizer must be asked for it."""

    kind: str
    method: str
    path: str
    needs: tuple[str, ...]
    body: Any = None


# Requests whose needs hang on the body, or on a connection: by method and route.
SPECIAL: dict[tuple[str, str], dict[str, tuple[str, Any, tuple[str, ...]]]] = {
    ("POST", "/spawn/{kernelspec}"): {
        "env": ("spawn/python3", ENV, ("execute kernels", "execute bridge:kernels")),
        "cwd": ("spawn/python3", {"cwd": "/"}, ("execute kernels", "execute bridge:kernels")),
        "far env": (f"spawn/{FAR}:python3", ENV, ("execute kernels", "execute bridge:connections")),
    },
    ("POST", "/consoles"): {
        "terminal": ("consoles", {"name": "t1"}, ("write terminals",)),
        "env": ("consoles", ENV, ("execute terminals", "execute bridge:consoles")),
        "cwd": ("consoles", {"cwd": "/"}, ("execute terminals", "write terminals")),
        "shell": ("consoles", {"shell_command": ["true"]}, ("execute terminals",)),
        "far": (f"consoles?conn={FAR}", {}, ("write bridge:connections",)),
        "far env": (f"consoles?conn={FAR}", ENV, ("execute bridge:connections",)),
    },
    ("GET", "/search"): {
        "all": ("search?q=x", None, ()),
        **{
            kind: (
                f"search?q=x&console={name}",
                None,
                tuple(
                    f"read {resource}"
                    for resource in host.replace("far", "bridge:connections").split()
                ),
            )
            for kind, (name, host) in CONSOLES.items()
        },
    },
    ("POST", "/run"): {
        "fresh": ("run", {"command": "touch ran"}, ("execute terminals", "write terminals")),
        "terminal": (
            "run",
            {"command": "touch ran", "console": "{terminal}"},
            ("execute terminals",),
        ),
        "posing": ("run", {"command": "touch ran", "console": POSING}, ("execute terminals",)),
        "file": ("run", {"command": "a", "console": "file:plain.txt"}, ("execute contents",)),
        "kernel": ("run", {"command": "a", "console": "kernel:{kernel}"}, ("execute kernels",)),
        "far": ("run", {"command": "a", "console": f"{FAR}:1"}, ("execute bridge:connections",)),
        "far new": ("run", {"command": "a", "console": f"{FAR}:"}, ("write bridge:connections",)),
    },
    ("POST", "/execute"): {
        "spec": (
            "execute?kernel=python3",
            {"code": "open('ran', 'w')"},
            ("execute kernels", "write kernels", "write bridge:kernels"),
        ),
    },
    ("POST", "/environment/{kernel_id}"): {
        "saved": (
            "environment/{kernel}",
            {"path": "n.ipynb", "save": True},
            ("execute kernels", *WRITES),
        ),
    },
    ("POST", "/requirements"): {"": ("requirements", TEXTS, WRITES)},
    ("POST", "/conns"): {
        "folder": ("conns", {"name": "new", "url": "down"}, READS),
        "CA file": ("conns", {"name": "new", "url": "https://h", "ca_file": "/etc/x"}, READS),
        "key": ("conns", {"name": "new", "url": "sftp://h", "key_file": "/etc/x"}, READS),
    },
    ("GET", "/conn/{name}"): {"folder": ("conn/lab", None, READS)},
    ("PUT", "/conn/{name}"): {
        "folder": ("conn/lab", {"action": "logout"}, READS),
        "mount": ("conn/lab", {"action": "mount", "mountpoint": "/x"}, WRITES),
    },
    ("DELETE", "/conn/{name}"): {"folder": ("conn/lab", None, READS)},
    ("GET", "/conn/{name}/browse/{path}"): {"folder": ("conn/lab/browse/a", None, READS)},
    ("GET", "/dataset/{conn}/{perm_id}"): {"folder": ("dataset/lab/a", None, READS)},
    ("GET", "/content/{conn}/{perm_id}/{file}"): {"folder": ("content/lab/a/one.txt", None, READS)},
    ("GET", "/datasetTypes/{conn}"): {"folder": ("datasetTypes/lab", None, READS)},
    ("GET", "/sample/{conn}/{identifier}"): {"folder": ("sample/lab/a", None, READS)},
    ("GET", "/dataset/{conn}/{perm_id}/{path}"): {
        "download": ("dataset/lab/a/stolen", None, (*READS, *WRITES))
    },
    ("POST", "/dataset/{conn}/{perm_id}/{path}"): {
        "upload": ("dataset/lab/a/plain.txt", {}, (*READS, *WRITES))
    },
    ("POST", "/dataset/{conn}"): {
        "upload": ("dataset/lab", {"files": ["plain.txt"]}, (*READS, *WRITES))
    },
    ("POST", "/transfers"): {
        "download": ("transfers", DOWN, (*READS, *WRITES)),
        "upload": ("transfers", UP, (*READS, *WRITES)),
    },
    ("GET", "/transfers/{transfer_id}"): {"": ("transfers/{transfer}", None, READS)},
    ("DELETE", "/transfers/{transfer_id}"): {"": ("transfers/{transfer}", None, (*READS, *WRITES))},
    ("POST", "/transfers/{transfer_id}/pause"): {
        "": ("transfers/{transfer}/pause", None, (*READS, *WRITES))
    },
    ("POST", "/transfers/{transfer_id}/resume"): {
        "": ("transfers/{transfer}/resume", None, (*READS, *WRITES))
    },
    ("PUT", "/openbis/conn/{name}"): {"mount": ("openbis/conn/x", {"action": "mount"}, WRITES)},
    ("GET", "/openbis/dataset/{conn}/{perm_id}/{path}"): {
        "download": ("openbis/dataset/x/a/stolen", None, WRITES)
    },
    ("POST", "/openbis/dataset/{conn}"): {"upload": ("openbis/dataset/x", {"files": []}, READS)},
}
# Nothing but the bridge's own resource: lists are looked at entry by entry, below.
OWN_ALONE = {
    "/kinds",
    "/conns",
    "/consoles",
    "/transfers",
    "/openbis/conns",
    "/openbis/conn/{name}",
    "/openbis/datasetTypes/{conn}",
    "/openbis/sample/{conn}/{identifier}",
}
BODIES = {"/execute/{kernel_id}": {"code": "open('ran', 'w')"}, "/send/{name}": b"touch ran\n"}


def own(path: str) -> str:
    """The bridge's resource of a route."""
    if re.match("/(kernels|spawn|shutdown|interrupt|restart|execut|environment)", path):
        return "bridge:kernels"
    if re.match("/(consoles|send|recording|run|search|tail)", path):
        return "bridge:consoles"
    return "bridge:connections"


def cases_of(verb: Verb) -> Iterator[Case]:
    bridge = own(verb.path)
    special = SPECIAL.get((verb.method, verb.path), {})
    for kind, (path, body, needs) in special.items():
        top = "" if verb.top == "" else "bridge/"
        yield Case(kind, verb.method, top + path, (f"{verb.action} {bridge}", *needs), body)
    found = re.search(r"\{(\w+)\}", verb.path)
    things = THINGS.get(found[1], {}) if found and "/conn/" not in verb.path else {}
    for kind, (name, host) in things.items():
        asked = [bridge, *host.replace("far", "bridge:connections").split()]
        path = verb.top.lstrip("/") + verb.path.replace(found[0], quote(name, safe="{}:"))  # type: ignore[index]
        needs = tuple(f"{verb.action} {resource}" for resource in asked)
        yield Case(kind, verb.method, path, needs, BODIES.get(verb.path))
    if verb.path == "/kernels":
        yield Case("list", "GET", "bridge/kernels", ("read bridge:kernels", "read kernels"))
    if verb.path in OWN_ALONE and verb.method == "GET":
        path = verb.top.lstrip("/") + re.sub(r"\{\w+\}", "x", verb.path)
        yield Case("", "GET", path.lstrip("/"), (f"read {bridge}",))


CASES = {
    f"{verb.method} {verb.top}{verb.path} {case.kind}": case
    for verb in VERBS
    for case in cases_of(verb)
}


def test_the_table_is_whole() -> None:
    """Every verb of every route is in it, with a kind of thing or as one that has none."""
    for verb in VERBS:
        if (verb.method, verb.path) not in (
            ("POST", "/openbis/conns"),  # adds openBIS connections alone
            ("DELETE", "/openbis/conn/{name}"),
            ("POST", "/requirements"),
        ):
            assert list(cases_of(verb)), verb


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chosen]:
    yield from choose(tmp_path_factory.mktemp("chosen"))


@pytest.fixture(scope="module")
def names(chosen: Chosen) -> dict[str, str]:
    return furnish(chosen)


def filled(given: Any, names: dict[str, str]) -> Any:
    """The case's path or body with the names of what is there."""
    if isinstance(given, str):
        return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], found[0]), given)
    if isinstance(given, dict):
        return {key: filled(value, names) for key, value in given.items()}
    return given


@pytest.mark.parametrize("name", CASES)
def test_each_need_refused_alone(chosen: Chosen, names: dict[str, str], name: str) -> None:
    """A request is refused, and changes nothing, where any one thing that it needs is refused."""
    case = CASES[name]
    before = chosen.state()
    for need in case.needs:
        chosen.deny(need)
        status, body = chosen.call(case.method, filled(case.path, names), filled(case.body, names))
        assert status == 403, (need, body)
        assert "authorized" not in str(body), "the bridge's own refusal"
    assert chosen.state() == before


# What changes nothing when it is let in.
HARMLESS = [
    name
    for name, case in CASES.items()
    if case.method == "GET" and "spawn" not in name and "shutdown" not in name
    if "stolen" not in case.path
]


@pytest.mark.parametrize("name", HARMLESS)
def test_no_more_is_needed(chosen: Chosen, names: dict[str, str], name: str) -> None:
    """With everything else refused it passes: nobody has to be given what they do not use."""
    case = CASES[name]
    everything = {
        f"{action} {resource}"
        for action in ("read", "write", "execute")
        for resource in (
            *("bridge", "bridge:kernels", "bridge:consoles", "bridge:connections"),
            *("kernels", "terminals", "contents", "kernelspecs", "sessions"),
        )
    }
    chosen.deny(*(everything - set(case.needs)))
    status, body = chosen.call(case.method, filled(case.path, names))
    chosen.deny()
    assert status != 403, body


@pytest.mark.parametrize("kind", CONSOLES)
@pytest.mark.parametrize(("seat", "action"), [("tail", "read"), ("interact", "execute")])
def test_a_console_as_a_socket(
    chosen: Chosen, names: dict[str, str], seat: str, action: str, kind: str
) -> None:
    """A websocket, and tail's plain answer, are judged by what the console is."""
    name, host = CONSOLES[kind]
    path = f"bridge/{seat}/" + quote(filled(name, names), safe=":")
    for resource in ("bridge:consoles", *host.replace("far", "bridge:connections").split()):
        chosen.deny(f"{action} {resource}")
        assert chosen.handshake(path) == 403, resource
        if seat == "tail":
            assert chosen.call("GET", path)[0] == 403
    chosen.deny()
    assert chosen.handshake(path) == (404 if "far" in kind else 101)


@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("seat", ["channels", "shell", "iopub", "stdin", "stdio", "control"])
def test_a_kernel_as_a_socket(chosen: Chosen, names: dict[str, str], seat: str, kind: str) -> None:
    """Who may neither read nor execute gets no seat; who may read gets one to watch from."""
    name, host = KERNELS[kind]
    path = f"bridge/{seat}/" + filled(name, names)
    for resource in ("bridge:kernels", *host.replace("far", "bridge:connections").split()):
        chosen.deny(f"* {resource}")
        assert chosen.handshake(path) == 403, resource
        chosen.deny(f"execute {resource}")
        watches = seat in ("channels", "iopub")
        assert (chosen.handshake(path) == 403) is not watches
    chosen.deny()


@pytest.mark.parametrize("resource", ["bridge:kernels", "kernels"])
def test_a_namespace_of_socketio(chosen: Chosen, names: dict[str, str], resource: str) -> None:
    """Each namespace is asked for when it is connected."""
    for denied, seat in ((f"* {resource}", "iopub"), (f"execute {resource}", "shell")):
        chosen.deny(denied)
        base = "bridge/socket.io/?EIO=4&transport=polling"
        handshake = chosen.call("GET", base)[1]
        sid = re.search(r'"sid":"([^"]+)"', handshake)
        assert sid is not None
        place = f"/{seat}/{names['kernel']}"
        assert chosen.call("POST", f"{base}&sid={sid[1]}", f"40{place},".encode())[0] == 200
        answer = str(chosen.call("GET", f"{base}&sid={sid[1]}")[1])
        assert answer.startswith(f"44{place},")
        assert '"denied"' in answer
    chosen.deny()


LISTED = {
    "read terminals": {"terminal"},
    "read kernels": {"kernel"},
    "read contents": {"file"},
    "read bridge:connections": set[str](),
}


@pytest.mark.parametrize("denied", LISTED)
def test_a_list_shows_what_its_reader_may_read(
    chosen: Chosen, names: dict[str, str], denied: str
) -> None:
    """Entry by entry, by what each one is; also the names that a not-found answer lists."""
    chosen.deny()
    everything = {(one["name"], one["kind"]) for one in chosen.get("bridge/consoles")}
    assert {"terminal", "kernel", "file"} == {kind for _, kind in everything}
    assert (POSING, "terminal") in everything
    chosen.deny(denied)
    shown = {(one["name"], one["kind"]) for one in chosen.get("bridge/consoles")}
    assert shown == {one for one in everything if one[1] not in LISTED[denied]}
    if denied != "read terminals":
        status, missing = chosen.call("GET", "bridge/consoles/nobody")
        assert status == 404
        assert set(missing["consoles"]) == {name for name, _ in shown}
    chosen.deny()


@pytest.mark.parametrize("denied", LISTED)
def test_a_search_finds_what_its_reader_may_read(
    chosen: Chosen, names: dict[str, str], denied: str
) -> None:
    """Console by console, by what each one is, however it is called."""
    chosen.deny()
    for name, said in ((POSING, b"echo searched"), (f"kernel:{names['kernel']}", b"'searched'")):
        chosen.call("POST", f"bridge/send/{name}?newline=1", said)
        chosen.call("GET", f"bridge/tail/{name}?until=searched&follow=true&timeout=30")
    (chosen.root / "plain.txt").write_text("plain\nsearched\n")
    chosen.call("GET", "bridge/tail/file:plain.txt?until=searched&follow=true&timeout=30")
    kinds = {one["name"]: one["kind"] for one in chosen.get("bridge/consoles")}
    for denials in ((), (denied,)):
        chosen.deny(*denials)
        found = {hit["console"] for hit in chosen.get("bridge/search?q=searched")["hits"]}
        hidden = LISTED[denied] if denials else set[str]()
        expected = {POSING, f"kernel:{names['kernel']}", "file:plain.txt"}
        assert found == {name for name in expected if kinds[name] not in hidden}
    chosen.deny()


def test_lists_of_files_of_the_host(chosen: Chosen, names: dict[str, str]) -> None:
    """Transfers name its paths, folder connections its folders, and kernelspecs are the host's."""
    chosen.deny("read contents")
    assert chosen.get("bridge/transfers") == []
    assert chosen.get("bridge/conns")["connections"] == []
    chosen.deny("read kernelspecs")
    for path in ("bridge/spawn/nothing", "bridge/execute?kernel=nothing"):
        status, answer = chosen.call("POST", path, {"code": ""} if "execute" in path else {})
        assert status == 404
        assert "python3" not in str(answer)
    chosen.deny()
    assert "python3" in str(chosen.call("POST", "bridge/spawn/nothing")[1])
    assert [one["name"] for one in chosen.get("bridge/conns")["connections"]] == ["lab"]


# What can be done here, and needs more than the action of its route.
REPEATED = [
    "POST /bridge/spawn/{kernelspec} env",
    "POST /bridge/consoles env",
    "POST /bridge/conns folder",
    "POST /bridge/dataset/{conn} upload",
    "POST /bridge/transfers download",
    "POST /bridge/requirements ",
    "POST /bridge/environment/{kernel_id} saved",
]


@pytest.mark.parametrize("name", REPEATED)
def test_an_answer_is_repeated_to_those_who_may_have_it(
    chosen: Chosen, names: dict[str, str], name: str
) -> None:
    """An Idempotency-Key gets an earlier answer only with what that request needs."""
    case = CASES[name]
    path, body = filled(case.path, names), filled(case.body, names)
    status, first = chosen.call("POST", path, body, Idempotency_Key=name)
    assert status < 300, first
    for need in case.needs:
        chosen.deny(need)
        assert chosen.call("POST", path, body, Idempotency_Key=name)[0] == 403, need
    chosen.deny()
    assert chosen.call("POST", path, body, Idempotency_Key=name) == (status, first)
    if "conns" in path:
        assert chosen.call("DELETE", "bridge/conn/new")[0] == 200


@pytest.mark.parametrize("route", ["bridge/conns", "openbis/conns"])
def test_a_repeat_lists_what_its_reader_may_read(
    chosen: Chosen, names: dict[str, str], route: str
) -> None:
    """An answer that lists connections is made anew for a repeat, and is not kept."""
    body = {"name": "far-away", "url": "https://192.0.2.1"}
    created = chosen.call("POST", route, body, Idempotency_Key=route)
    assert "far-away" in str(created)
    assert ("lab" in str(created)) == (route == "bridge/conns")
    chosen.deny("read contents")
    repeated = chosen.call("POST", route, body, Idempotency_Key=route)
    chosen.deny()
    assert repeated[0] == created[0]
    assert [one["name"] for one in repeated[1]["connections"]] == ["far-away"]
    assert chosen.call("DELETE", "bridge/conn/far-away")[0] == 200
    gone = chosen.call("POST", route, body, Idempotency_Key=route)
    assert gone[0] == created[0]
    assert "far-away" not in str(gone), "nothing of it was kept"


def test_what_a_name_meant_before_stays_apart(chosen: Chosen, names: dict[str, str]) -> None:
    """A kernel's console does not go on in the journal of a terminal that had its name."""
    kernel = chosen.call("POST", "bridge/spawn/python3")[1]["id"]
    name = f"kernel:{kernel}"
    chosen.call("POST", "api/terminals", {"name": name})
    chosen.call("POST", f"bridge/send/{name}?newline=1", b"echo of-the-$((40+2))-terminal")
    said = chosen.call("GET", f"bridge/tail/{name}?until=of-the-42-terminal&follow=true&timeout=30")
    assert "of-the-42-terminal" in said[1]
    assert chosen.call("DELETE", f"bridge/consoles/{name}")[0] == 204
    chosen.deny("read terminals")
    assert chosen.call("GET", f"bridge/tail/{name}")[0] == 403, "the ended one is a terminal still"
    chosen.deny()
    assert "of-the-42-terminal" not in chosen.call("GET", f"bridge/tail/{name}")[1]
    chosen.deny("read terminals")
    status, text = chosen.call("GET", f"bridge/tail/{name}")
    chosen.deny()
    assert status == 200
    assert "of-the-42-terminal" not in text
