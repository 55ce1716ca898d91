"""Types that say what an option may be: read by the check of a paper file, mere Python types to what takes the option.

Nothing but the standard library is imported here, since what takes options may run where there is no more.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal


@dataclass(frozen=True)
class Limit:
    """Bounds of a number, a text's pattern, a list's length; pydantic and JSON schemas understand them."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Return the schema of the type that is limited, with the limits."""
        return handler(source) | {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Distinct:
    """Entries of a list that are different from each other."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Return the schema of the list with the check behind it."""
        from pydantic_core import PydanticCustomError, core_schema

        def check(value: list[Any]) -> list[Any]:
            if any(entry in value[:n] for n, entry in enumerate(value)):
                raise PydanticCustomError("distinct", "each only once")
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        """Return the JSON schema of the list, its entries unique."""
        return handler(schema) | {"uniqueItems": True}


Count = Annotated[int, Limit(ge=1)]
#: An index, a seed or a fold.
Index = Annotated[int, Limit(ge=0)]
Positive = Annotated[float, Limit(gt=0)]
#: A layer of convolutions: filters, and the kernel's rows and columns.
Convolution = Annotated[list[Count], Limit(min_length=3, max_length=3)]
NotNegative = Annotated[float, Limit(ge=0)]
Negative = Annotated[float, Limit(lt=0)]
#: A share of a whole, or a probability.
Share = Annotated[float, Limit(ge=0, le=1)]
Text = Annotated[str, Limit(min_length=1)]
Names = Annotated[list[Text], Limit(min_length=1), Distinct()]
Indices = Annotated[list[Index], Limit(min_length=1), Distinct()]
#: A key that paths and wildcards are made of.
Name = Annotated[str, Limit(pattern="^[a-z][a-z0-9_]*$")]
#: The manifest's vocabularies that a paper may select by.
Sex = Literal["female", "male"]
Scenario = Literal["scripted", "improvised"]
Intensity = Literal["normal", "strong"]

#: Every name that an option's annotation may use.
NAMESPACE: dict[str, Any] = {
    **{name: value for name, value in globals().items() if typing.get_origin(value) in (Annotated, Literal)},
    **{kind.__name__: kind for kind in (bool, dict, float, int, list, str, tuple)},
    **{"Any": Any, "Literal": Literal, "None": None},
}
