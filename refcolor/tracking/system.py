"""Load of the machine beside a run: MLflow's own monitor, for its tab of system metrics."""

import os
from collections.abc import Callable

from refcolor.tracking.store import LOG, Store, failures, first_line

SWITCH = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"  # MLflow's own name for it; here it is on if unset
SECONDS = 10.0  # between two looks: processor, memory, disk, network and, if there is one, the GPU


def watch(store: Store, run_id: str) -> Callable[[], None] | None:
    """Log the machine's load into a run from now on; returns what ends it, None for no watch.

    A run that is opened again goes on from its last look. Nothing is watched where the switch says
    false or psutil is missing, and no failure reaches the training.
    """
    if os.environ.get(SWITCH, "true").strip().lower() in ("false", "0"):
        return None
    survived: tuple[type[Exception], ...] = (ImportError, *failures())
    try:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(  # type: ignore[no-untyped-call]
            run_id,
            sampling_interval=SECONDS,
            resume_logging=True,
            tracking_uri=store.client.tracking_uri,
        )
        monitor.start()  # type: ignore[no-untyped-call]
    except survived as error:
        LOG.warning("the machine's load is not tracked (%s)", first_line(error))
        return None
    finish: Callable[[], None] = monitor.finish
    return finish
