"""A model of a user's."""

import pydantic


class Settings(pydantic.BaseModel):
    """What a strategy is set to."""

    window: int
    label: str = "fast"
