"""The list of editions as data catalogues read it: JSON-LD in the vocabulary of DCAT."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.api import texts
from app.api.edition_schemas import FROZEN, EditionOut, edition_out
from app.api.schemas import Out, example, in_language
from app.api.texts import Language
from app.db.editions import Entry

# Catalogues resolve our plain names, codes and addresses by it:
# https://www.w3.org/TR/vocab-dcat-3/, https://www.w3.org/TR/json-ld11/
CONTEXT = {
    "@base": "/v1/editions/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcterms": "http://purl.org/dc/terms/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "items": "dcat:dataset",
    "code": "dcterms:identifier",
    "name": "dcterms:title",
    "url": "@id",
    "published_at": {"@id": "dcterms:issued", "@type": "xsd:dateTime"},
    "supersedes": {"@id": "dcat:previousVersion", "@type": "@id"},
    "superseded_by": {"@id": "dcterms:isReplacedBy", "@type": "@id"},
    "temporal": "dcterms:temporal",
    "first": {"@id": "dcat:startDate", "@type": "xsd:date"},
    "last": {"@id": "dcat:endDate", "@type": "xsd:date"},
    "distribution": "dcat:distribution",
    "download_url": {"@id": "dcat:downloadURL", "@type": "@id"},
    "media_type": "dcat:mediaType",
}

DATASET = {
    "@type": "dcat:Dataset",
    "name": "Mức độ hài lòng quý I năm 2026, khối sở, ban, ngành",
    **FROZEN,
    "state": "published",
    "published_at": "2026-04-03T08:00:00+07:00",
    "temporal": {"@type": "dcterms:PeriodOfTime", "first": "2026-01-01", "last": "2026-03-31"},
    "distribution": [
        {
            "@type": "dcat:Distribution",
            "download_url": "/v1/editions/so-ban-nganh-2026-q1/datapackage.zip",
            "media_type": "application/zip",
        }
    ],
}
CATALOG = {
    "@context": CONTEXT,
    "@type": "dcat:Catalog",
    "name": "Các bản công bố mức độ hài lòng",
    "items": [DATASET],
    "next_cursor": None,
}


class TemporalOut(Out):
    """The months that a dataset is of."""

    type_: Literal["dcterms:PeriodOfTime"] = Field(default="dcterms:PeriodOfTime", alias="@type")
    first: date
    last: date


class FormOut(Out):
    """A form in which a dataset can be had."""

    type_: Literal["dcat:Distribution"] = Field(default="dcat:Distribution", alias="@type")
    download_url: str = Field(
        description="Path below the address of the service; no key is needed once it is published"
    )
    media_type: str = Field(description="Media type (IANA) of what is there")


class DatasetOut(EditionOut):
    """An edition as a dataset; a draft has no data package yet."""

    model_config = ConfigDict(json_schema_extra=example(DATASET))

    type_: Literal["dcat:Dataset"] = Field(default="dcat:Dataset", alias="@type")
    name: str = Field(description="The title in the reader's language")
    temporal: TemporalOut = Field(description="The months that its figures are of")
    distribution: list[FormOut] = Field(
        description="The document as JSON and, once published, the data package as ZIP"
    )


class CatalogOut(Out):
    """A page of editions; `@context` lets data catalogues read it as DCAT."""

    model_config = ConfigDict(json_schema_extra=example(CATALOG))

    context: dict[str, Any] = Field(
        default=CONTEXT,
        alias="@context",
        description="JSON-LD: which terms of DCAT and Dublin Core the fields are",
    )
    type_: Literal["dcat:Catalog"] = Field(default="dcat:Catalog", alias="@type")
    name: str = Field(description="Of the catalogue, in the reader's language")
    items: list[DatasetOut]
    next_cursor: str | None


def catalog(entries: Sequence[Entry], following: str | None, language: Language) -> CatalogOut:
    """The editions as a page of the catalogue."""
    return CatalogOut(
        name=texts.say(language, "catalog:name"),
        items=[_dataset(entry, language) for entry in entries],
        next_cursor=following,
    )


def _dataset(entry: Entry, language: Language) -> DatasetOut:
    shown = edition_out(entry)
    forms = [("", "application/json")]
    if entry.edition.published_at is not None:
        forms.append(("/datapackage.zip", "application/zip"))
    return DatasetOut(
        **shown.model_dump(),
        name=in_language(entry.edition.title, language),
        temporal=TemporalOut(first=entry.edition.first, last=entry.edition.last),
        distribution=[
            FormOut(download_url=f"{shown.url}{path}", media_type=media_type)
            for path, media_type in forms
        ],
    )
