"""The calls of the application server and the data store server, a method for each."""

from __future__ import annotations

import secrets
from typing import Any

from tests.simulators.openbis.dto import Dto
from tests.simulators.openbis.store import CREATED, Refusal, Store

DAY = 24 * 3600


class Calls:
    """Executes JSON-RPC calls; `base` is the URL under which clients reach this server."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.base = ""
        self.seen: list[str] = []
        # The results of createFastDownloadSession: user session -> token.
        self.user_sessions: dict[str, str] = {}

    def call(self, method: str, params: list[Any]) -> Any:
        self.seen.append(method)
        do = getattr(self, f"do_{method}", None)
        if do is None:
            raise Refusal(f"No such method: {method}")
        return do(*params)

    # -- the application server ----------------------------------------------------------------

    def do_login(self, user: str, password: str) -> str | None:
        return self.store.login(user, password)

    def do_isSessionActive(self, token: str) -> bool:  # noqa: N802
        return self.store.token(token) is not None

    def do_logout(self, token: str) -> None:
        self.store.check(token)
        self.store.end(token)

    def do_getSessionInformation(self, token: str) -> Any:  # noqa: N802
        found = self.store.token(token)
        if found is None:
            return None
        return {
            "@type": "as.dto.session.SessionInformation",
            "sessionToken": token,
            "userName": found.user,
            "homeGroupCode": None,
            "person": self._dto().person(found.user),
            "creatorPerson": self._dto().person(found.user),
            "personalAccessTokenSession": found.session_name is not None,
            "personalAccessTokenSessionName": found.session_name,
        }

    def do_getServerInformation(self, token: str) -> dict[str, str]:  # noqa: N802
        self.store.check(token)
        return {
            "api-version": self.store.knobs.api,
            "openbis-version": "20.10.9",
            "project-samples-enabled": "true",
            "archiving-configured": "false",
            "enabled-technologies": "",
            "authentication-service": "file",
            "personal-access-tokens-enabled": str(self.store.knobs.api >= "3.7").lower(),
            "personal-access-tokens-max-validity-period": str(30 * DAY),
            "personal-access-tokens-validity-warning-period": str(5 * DAY),
        }

    def do_createPersonalAccessTokens(self, token: str, creations: Any) -> list[Any]:  # noqa: N802
        owner = self.store.check(token)
        if owner.session_name is not None or self.store.knobs.api < "3.7":
            raise Refusal("Personal access tokens cannot be created like this.")
        many = creations if isinstance(creations, list) else [creations]
        minted = [
            self.store.mint(
                owner,
                *(one["sessionName"], one["validFromDate"] / 1000, one["validToDate"] / 1000),
            )
            for one in many
        ]
        kind = "as.dto.pat.id.PersonalAccessTokenPermId"
        return [{"@type": kind, "permId": name} for name in minted]

    def do_getPersonalAccessTokens(self, token: str, ids: list[Any], _: Any) -> Any:  # noqa: N802
        owner, dto = self.store.check(token), self._dto()
        known = [self.store.token(one["permId"]) for one in ids]
        return {one.name: dto.token(one) for one in known if one and one.user == owner.user}

    def do_searchPersonalAccessTokens(self, token: str, criteria: Any, _: Any) -> Any:  # noqa: N802
        owner, dto = self.store.check(token), self._dto()
        names = [one["fieldValue"]["value"] for one in criteria.get("criteria", [])]
        found = [
            one
            for one in self.store.tokens.values()
            if one.session_name is not None
            and one.user == owner.user
            and all(one.session_name.startswith(name) for name in names)
        ]
        return self._page("pat", [dto.token(one) for one in found], {})

    def do_deletePersonalAccessTokens(self, token: str, ids: list[Any], _: Any) -> None:  # noqa: N802
        self.store.check(token)
        for one in ids:
            self.store.end(one["permId"])

    def do_searchDataStores(self, token: str, _: Any, __: Any) -> Any:  # noqa: N802
        self.store.check(token)
        return self._page("datastore", [self._dto().data_store], {})

    def do_getDataSets(self, token: str, ids: list[Any], _: Any) -> Any:  # noqa: N802
        self.store.check(token)
        dto = self._dto()
        known = [self.store.data_sets.get(one["permId"]) for one in ids]
        return {one.perm_id: dto.data_set(one) for one in known if one is not None}

    def do_searchDataSets(self, token: str, criteria: Any, options: Any) -> Any:  # noqa: N802
        self.store.check(token)
        dto = self._dto()
        found = self.store.find(criteria.get("criteria", []))
        return self._page("dataset", [dto.data_set(one) for one in found], options)

    def do_getDataSetTypes(self, token: str, ids: list[Any], _: Any) -> Any:  # noqa: N802
        self.store.check(token)
        codes = [one["permId"] for one in ids if one["permId"] in self.store.types]
        return {code: self._dto().data_set_type(code) for code in codes}

    def do_getPropertyTypes(self, token: str, ids: list[Any], _: Any) -> Any:  # noqa: N802
        self.store.check(token)
        return {one["permId"]: self._dto().property_type(one["permId"]) for one in ids}

    def do_getVocabularies(self, token: str, ids: list[Any], _: Any) -> Any:  # noqa: N802
        self.store.check(token)
        return {one["permId"]: self._dto().vocabulary() for one in ids}

    def do_searchVocabularyTerms(self, token: str, _: Any, options: Any) -> Any:  # noqa: N802
        self.store.check(token)
        return self._page("vocabulary", self._dto().vocabulary()["terms"], options)

    def do_searchDataSetTypes(self, token: str, _: Any, options: Any) -> Any:  # noqa: N802
        self.store.check(token)
        types = [self._dto().data_set_type(code) for code in self.store.types]
        return self._page("dataset", types, options)

    def do_getSamples(self, token: str, ids: list[Any], _: Any) -> Any:  # noqa: N802
        return self._entities("sample", token, ids)

    def do_getExperiments(self, token: str, ids: list[Any], _: Any) -> Any:  # noqa: N802
        return self._entities("experiment", token, ids)

    def do_getSampleTypes(self, token: str, ids: list[Any], _: Any) -> Any:  # noqa: N802
        return self._entity_types("sample", token, ids)

    def do_getExperimentTypes(self, token: str, ids: list[Any], _: Any) -> Any:  # noqa: N802
        return self._entity_types("experiment", token, ids)

    def _entity_types(self, kind: str, token: str, ids: list[Any]) -> Any:
        self.store.check(token)
        return {
            one["permId"]: {
                "@type": f"as.dto.{kind}.{kind.capitalize()}Type",
                "permId": {"@type": "as.dto.entitytype.id.EntityTypePermId", **one},
                "code": one["permId"],
                "modificationDate": CREATED,
                "propertyAssignments": [],
            }
            for one in ids
        }

    def _entities(self, kind: str, token: str, ids: list[Any]) -> Any:
        self.store.check(token)
        dto = self._dto()
        names = [one.get("permId") or one["identifier"] for one in ids]
        known = {name: self.store.identifier(kind, name) for name in names}
        return {name: dto.entity(kind, one) for name, one in known.items() if one is not None}

    def do_searchSpaces(self, token: str, _: Any, options: Any) -> Any:  # noqa: N802
        self.store.check(token)
        return self._page("space", [{"@type": "as.dto.space.Space", "code": "LAB"}], options)

    def do_searchProjects(self, token: str, _: Any, options: Any) -> Any:  # noqa: N802
        self.store.check(token)
        name = {"@type": "as.dto.project.id.ProjectIdentifier", "identifier": "/LAB/PROJECT"}
        project = {"@type": "as.dto.project.Project", "code": "PROJECT", "identifier": name}
        return self._page("project", [project], options)

    def do_searchSamples(self, token: str, criteria: Any, options: Any) -> Any:  # noqa: N802
        self.store.check(token)
        return self._named("sample", self.store.samples.values(), criteria, options)

    def do_searchExperiments(self, token: str, criteria: Any, options: Any) -> Any:  # noqa: N802
        self.store.check(token)
        return self._named("experiment", self.store.experiments.values(), criteria, options)

    def _named(self, kind: str, names: Any, criteria: Any, options: Any) -> Any:
        """Return those with the requested code, or all if no code is requested."""
        codes = {
            one["fieldValue"]["value"]
            for one in criteria.get("criteria", [])
            if one["@type"].endswith("CodeSearchCriteria")
        }
        found = [name for name in names if not codes or name.rpartition("/")[2] in codes]
        return self._page(kind, [self._dto().entity(kind, name) for name in found], options)

    # -- the data store server -----------------------------------------------------------------

    def do_searchFiles(self, token: str, criteria: Any, options: Any) -> Any:  # noqa: N802
        self.store.check(token)
        inner = criteria["criteria"][0]["criteria"]
        names = [one["fieldValue"]["value"] for one in inner]
        known = [self.store.data_sets[name] for name in names if name in self.store.data_sets]
        dto = self._dto()
        return self._page("datasetfile", [f for one in known for f in dto.files(one)], options)

    def do_createFastDownloadSession(self, token: str, ids: list[Any], options: Any) -> Any:  # noqa: N802
        self.store.check(token)
        user_session = secrets.token_hex(8)
        self.user_sessions[user_session] = token
        return {
            "@type": "dss.dto.datasetfile.fastdownload.FastDownloadSession",
            "downloadUrl": f"{self.base}/datastore_server/file-transfer",
            "fileTransferUserSessionId": user_session,
            "files": ids,
            "options": options,
        }

    def do_createUploadedDataSet(self, token: str, creation: Any) -> Any:  # noqa: N802
        return self._register(
            token,
            creation["uploadId"],
            type_code=creation["typeId"]["permId"],
            sample=creation.get("sampleId"),
            experiment=creation.get("experimentId"),
            parents=[one["permId"] for one in creation.get("parentIds", [])],
            properties=creation.get("properties", {}),
        )

    def do_createReportFromAggregationService(  # noqa: N802
        self, token: str, _: str, __: str, about: Any
    ) -> Any:
        """Register as servers up to API 3.5 do: the answer is a report with one row."""
        workspace = self.store.workspace(token)
        upload = workspace / "aggregated"
        inside = upload / about["folderName"] if len(about["fileNames"]) > 1 else upload
        inside.mkdir(parents=True)
        for name in about["fileNames"]:
            (workspace / name).rename(inside / name.rpartition("/")[2])
        made = self._register(
            token,
            "aggregated",
            type_code=about["dataSetType"],
            sample=about["sampleIdentifier"] and {"identifier": about["sampleIdentifier"]},
            experiment=about["experimentIdentifier"]
            and {"identifier": about["experimentIdentifier"]},
            parents=about["parentIdentifiers"],
            properties=about["properties"],
        )
        row = [{"value": "OK"}, {"value": ""}, {"value": made["permId"]}]
        return {"rows": [row]}

    def _register(self, token: str, upload: str, **about: Any) -> Any:
        user = self.store.check(token).user
        for kind in ("sample", "experiment"):
            named = about[kind]
            if named is None:
                continue
            name = named.get("permId") or named["identifier"]
            about[kind] = self.store.identifier(kind, name)
            if about[kind] is None:
                raise Refusal(f"Object with {name} has not been found.")
        if about["type_code"] not in self.store.types:
            raise Refusal(f"Data set type {about['type_code']} does not exist.")
        made = self.store.register(self.store.workspace(token) / upload, user=user, **about)
        return {"@type": "as.dto.dataset.id.DataSetPermId", "permId": made.perm_id}

    # -- below ---------------------------------------------------------------------------------

    def _dto(self) -> Dto:
        return Dto(self.store, self.base)

    def _page(self, area: str, found: list[Any], options: Any) -> Any:
        # Jackson also accepts a number in a string.
        start = int(options.get("from") or 0)
        count = None if options.get("count") is None else int(options["count"])
        part = found[start:] if count is None else found[start : start + count]
        return {
            "@type": f"as.dto.common.search.SearchResult<{area}>",
            "objects": part,
            "totalCount": len(found),
        }
