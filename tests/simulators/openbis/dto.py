"""The objects of openBIS's V3 API as JSON, with Jackson's numbers."""

from __future__ import annotations

from typing import Any

from tests.simulators.openbis.store import CREATED, DataSet, Store, Token


class Dto:
    """Builds the objects of one answer: one Python object per thing, however often it occurs."""

    def __init__(self, store: Store, base: str) -> None:
        self.store = store
        self.data_store = {
            "@type": "as.dto.datastore.DataStore",
            "code": "DSS1",
            "downloadUrl": base,
            "remoteUrl": base,
        }
        self._people: dict[str, dict[str, Any]] = {}

    def person(self, user: str) -> dict[str, Any]:
        return self._people.setdefault(
            user,
            {
                "@type": "as.dto.person.Person",
                "userId": user,
                "firstName": "Ada",
                "lastName": "L",
                "email": f"{user}@example.org",
            },
        )

    def vocabulary(self) -> dict[str, Any]:
        return {
            "@type": "as.dto.vocabulary.Vocabulary",
            "code": "COLOUR",
            "terms": [
                {
                    "@type": "as.dto.vocabulary.VocabularyTerm",
                    "permId": {
                        "@type": "as.dto.vocabulary.id.VocabularyTermPermId",
                        "code": term,
                        "vocabularyCode": "COLOUR",
                    },
                    "code": term,
                    "label": term.lower(),
                    "description": None,
                    "official": True,
                    "ordinal": ordinal,
                    **self._origin("ada"),
                }
                for ordinal, term in enumerate(("RED", "BLUE"), 1)
            ],
            **self._origin("ada"),
        }

    def property_type(self, code: str) -> dict[str, Any]:
        coloured = code == "COLOUR"
        return {
            "@type": "as.dto.property.PropertyType",
            "permId": {"@type": "as.dto.property.id.PropertyTypePermId", "permId": code},
            "code": code,
            "label": code.strip("$").capitalize(),
            "description": code,
            "dataType": "CONTROLLEDVOCABULARY" if coloured else "VARCHAR",
            "vocabulary": self.vocabulary() if coloured else None,
            "materialType": None,
            "sampleType": None,
            "semanticAnnotations": [],
            "multiValue": False,
            "metaData": {},
        }

    def data_set_type(self, code: str) -> dict[str, Any]:
        return {
            "@type": "as.dto.dataset.DataSetType",
            "permId": {"@type": "as.dto.entitytype.id.EntityTypePermId", "permId": code},
            "code": code,
            "kind": "PHYSICAL",
            "description": f"A {code.lower()}",
            "mainDataSetPattern": None,
            "mainDataSetPath": None,
            "disallowDeletion": False,
            "modificationDate": CREATED,
            "validationPlugin": None,
            "propertyAssignments": [
                {
                    "@type": "as.dto.property.PropertyAssignment",
                    "mandatory": name == "COLOUR" and code == "ANALYZED_DATA",
                    "ordinal": ordinal,
                    "section": None,
                    "showInEditView": True,
                    "propertyType": self.property_type(name),
                }
                for ordinal, name in enumerate(("$NAME", "COLOUR"), 1)
            ],
        }

    def entity(self, kind: str, identifier: str) -> dict[str, Any]:
        known = {"sample": self.store.samples, "experiment": self.store.experiments}[kind]
        perm_id = next(key for key, value in known.items() if value == identifier)
        name = kind.capitalize()
        return {
            "@type": f"as.dto.{kind}.{name}",
            "permId": {"@type": f"as.dto.{kind}.id.{name}PermId", "permId": perm_id},
            "identifier": {
                "@type": f"as.dto.{kind}.id.{name}Identifier",
                "identifier": identifier,
            },
            "code": identifier.rpartition("/")[2],
            "type": {
                "@type": f"as.dto.{kind}.{name}Type",
                "code": "UNKNOWN",
                "permId": {"@type": "as.dto.entitytype.id.EntityTypePermId", "permId": "UNKNOWN"},
                "propertyAssignments": [],
            },
            **{key: [] for key in ("parents", "children", "components", "tags", "attachments")},
            **dict.fromkeys(("container", "project", "space", "experiment")),
            "properties": {},
            **self._origin("ada"),
        }

    def data_set(self, one: DataSet) -> dict[str, Any]:
        sizes = [path.stat().st_size for _, path in one.files() if path.is_file()]
        return {
            "@type": "as.dto.dataset.DataSet",
            "permId": {"@type": "as.dto.dataset.id.DataSetPermId", "permId": one.perm_id},
            "code": one.perm_id,
            "kind": "PHYSICAL",
            "type": self.data_set_type(one.type_code),
            "dataStore": self.data_store,
            "physicalData": {
                "@type": "as.dto.dataset.PhysicalData",
                "shareId": "1",
                "location": f"AA/{one.perm_id}",
                "size": sum(sizes),
                "status": "AVAILABLE",
                "presentInArchive": False,
            },
            "linkedData": None,
            "properties": one.properties,
            "sample": self.entity("sample", one.sample) if one.sample else None,
            "experiment": self.entity("experiment", one.experiment) if one.experiment else None,
            "parents": [
                {
                    "@type": "as.dto.dataset.DataSet",
                    "permId": {"@type": "as.dto.dataset.id.DataSetPermId", "permId": parent},
                    "code": parent,
                }
                for parent in one.parents
            ],
            **{key: [] for key in ("children", "containers", "components", "tags")},
            "accessDate": CREATED,
            "dataProducer": None,
            "dataProductionDate": None,
            "measured": True,
            "postRegistered": True,
            "frozen": False,
            **self._origin(one.user),
        }

    def files(self, one: DataSet) -> list[dict[str, Any]]:
        perm_id = {"@type": "as.dto.dataset.id.DataSetPermId", "permId": one.perm_id}
        listed = [
            {
                "@type": "dss.dto.datasetfile.DataSetFile",
                "permId": {
                    "@type": "dss.dto.datasetfile.id.DataSetFilePermId",
                    "dataSetId": perm_id,
                    "filePath": name,
                },
                "dataSetPermId": perm_id,
                "dataStore": self.data_store,
                "path": name,
                "directory": path.is_dir(),
                "fileLength": 0 if path.is_dir() else path.stat().st_size,
                "checksumCRC32": 0 if path.is_dir() else self.store.crc32(path),
                "checksum": None,
                "checksumType": None,
            }
            for name, path in one.files()
        ]
        model = next((file for file in listed if not file["directory"]), None)
        if model is not None:
            listed += [{**model, "path": name} for name in self.store.knobs.hostile_listing]
        return listed

    def token(self, one: Token) -> dict[str, Any]:
        return {
            "@type": "as.dto.pat.PersonalAccessToken",
            "permId": {"@type": "as.dto.pat.id.PersonalAccessTokenPermId", "permId": one.name},
            "hash": one.name,
            "sessionName": one.session_name,
            "owner": self.person(one.user),
            "validFromDate": int(one.valid_from * 1000),
            "validToDate": int((one.valid_to or 0) * 1000),
            "accessDate": None,
            **self._origin(one.user),
        }

    def _origin(self, user: str) -> dict[str, Any]:
        return {
            "registrator": self.person(user),
            "registrationDate": CREATED,
            "modifier": self.person(user),
            "modificationDate": CREATED,
        }


def to_jackson(value: Any, *, references: bool) -> Any:
    """Return `value` as Jackson writes it: objects have ids, and repeats may be the id alone."""
    numbers: dict[int, int] = {}
    kept: list[Any] = []  # so that no id() is used twice

    def write(node: Any) -> Any:
        if isinstance(node, list):
            return [write(child) for child in node]
        if not isinstance(node, dict):
            return node
        if "@type" not in node:
            return {key: write(child) for key, child in node.items()}
        if references and id(node) in numbers:
            return numbers[id(node)]
        number = len(kept) + 1
        kept.append(node)
        numbers[id(node)] = number
        return {"@id": number, **{key: write(child) for key, child in node.items()}}

    return write(value)
