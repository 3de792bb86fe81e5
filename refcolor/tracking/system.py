"""The machine's load during a run, recorded by MLflow's monitor of system metrics."""

import os
from collections.abc import Callable

from refcolor.tracking.store import LOG, Store, failures, first_line

SWITCH = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"  # MLflow's variable; unset means on here
SECONDS = 10.0  # between two samples of processor, memory, disk, network and GPU


def watch(store: Store, run_id: str) -> Callable[[], None] | None:
    """Start to record the machine's load in a run; return the function that stops it.

    A continued run goes on from its last sample. Returns None when the switch is off or psutil is
    missing; failures are logged and not raised.
    """
    if os.environ.get(SWITCH, "true").strip().lower() in ("false", "0"):
        return None
    caught: tuple[type[Exception], ...] = (ImportError, *failures())
    try:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(  # type: ignore[no-untyped-call]
            run_id,
            sampling_interval=SECONDS,
            resume_logging=True,
            tracking_uri=store.client.tracking_uri,
        )
        monitor.start()  # type: ignore[no-untyped-call]
    except caught as error:
        LOG.warning("the machine's load is not tracked (%s)", first_line(error))
        return None
    finish: Callable[[], None] = monitor.finish
    return finish
