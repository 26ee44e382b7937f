"""Devices: the numbers of a counter's tablet that have not arrived."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import ConfigDict, Field

from app.api.deps import RatingReader, Session
from app.api.errors import problems
from app.api.schemas import Code, Out, example
from app.db import devices
from app.domain.device import MOST_GAPS
from app.domain.errors import DeviceNotFoundError

router = APIRouter(prefix="/v1/devices", tags=["devices"])

InPath = Annotated[Code, Path(alias="device", description="As it was created, e.g. Q05-tablet")]


class GapOut(Out):
    """Numbers that have not arrived, both ends included."""

    first: int = Field(description="The first number that has not arrived")
    last: int = Field(description="The last one in a row that has not")


class GapsOut(Out):
    """Which of a device's numbers have arrived, and which have not.

    A device numbers its ratings 1, 2, 3, …, and they may arrive in any order.
    """

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "device": "Q05-tablet",
                "agency": "H32.15",
                "counter": "Q05",
                "last_seq": 413,
                "received": 410,
                "refused": 2,
                "missing": 3,
                "gaps": [{"first": 5, "last": 7}],
                "truncated": False,
            }
        )
    )

    device: str = Field(description="Code of the device")
    agency: str
    counter: str = Field(description="Code of the counter that it stands at")
    last_seq: int = Field(description="The greatest number that has arrived; 0 before the first")
    received: int = Field(description="Numbers that have arrived, each once")
    refused: int = Field(description="Those of them whose rating was refused, so they are no gap")
    missing: int = Field(description="Numbers up to the greatest that have not arrived")
    gaps: list[GapOut] = Field(description=f"The first {MOST_GAPS} gaps, ascending")
    truncated: bool = Field(description="Whether there are more gaps than are named")


@router.get(
    "/{device}/gaps", operation_id="get_device_gaps", responses=problems(DeviceNotFoundError)
)
async def get_device_gaps(code: InPath, session: Session, caller: RatingReader) -> GapsOut:
    """The numbers of a device that have not arrived: ratings on their way, lost or held back."""
    device = await devices.get(session, code)
    caller.check_agency(device.agency, "/path/device")
    report = await devices.gaps(session, device)
    return GapsOut(
        device=report.device,
        agency=report.agency,
        counter=report.counter,
        last_seq=report.arrivals.last_seq,
        received=report.arrivals.received,
        refused=report.arrivals.refused,
        missing=report.arrivals.missing,
        gaps=[GapOut.model_validate(gap) for gap in report.gaps],
        truncated=report.truncated,
    )
