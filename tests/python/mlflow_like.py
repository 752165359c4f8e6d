"""A model of a user's, as one hands it to a tracker."""


class BarsModel:
    """Keeps the bars that it was made of."""

    def __init__(self, bars: object) -> None:
        self.bars = bars
