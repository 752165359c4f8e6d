"""What was logged with MLflow, read back by MLflow's own client."""

import contextlib
import warnings

from afml_cache import TrackingWarning


def load_mlflow():
    """Import MLflow, whose own imports warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.sklearn
        import mlflow.store.tracking.sqlalchemy_store
        import mlflow.tracking
    return mlflow


@contextlib.contextmanager
def told(*words):
    """Give the tracking warnings of a block as texts: one for each of these words."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        texts = []
        yield texts
    tracking = [one for one in caught if issubclass(one.category, TrackingWarning)]
    texts.extend(str(one.message) for one in tracking)
    assert len(texts) == len(words), texts
    assert all(word in text for word, text in zip(words, texts, strict=True)), texts
    assert all(one.filename.rpartition("/")[2].startswith("test_") for one in tracking)


class Logged:
    """The runs of an integration."""

    def __init__(self, tracker):
        self.tracker = tracker
        self.client = load_mlflow().MlflowClient(tracking_uri=tracker.tracking_uri)

    def runs(self, experiment=None, **tags):
        """Give the runs that have these tags, by start, the oldest first."""
        assert self.tracker.flush(30)
        found = self.client.get_experiment_by_name(experiment or self.tracker.experiment_name)
        if found is None:
            return []
        runs = self.client.search_runs([found.experiment_id], order_by=["attributes.start_time"])
        return [run for run in runs if tags.items() <= run.data.tags.items()]

    def run(self, **tags):
        (run,) = self.runs(**tags)
        return run

    def computed(self):
        return self.runs(cache_hit="false")

    def hits(self):
        return self.runs(cache_hit="true")

    def files(self, run, folder=None):
        return sorted(info.path for info in self.client.list_artifacts(run.info.run_id, folder))
