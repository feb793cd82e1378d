"""Processes whose platform is made up and answers at once: `worker` runs dispatched batches, else the command.

python -m tests.servers.made_up_worker worker NAME
python -m tests.servers.made_up_worker build SPEC --dispatch POOL
"""

import sys

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.exceptions import Abort
from prefect.flow_engine import run_flow
from prefect.states import Pending
from prefect.utilities.engine import propose_state_sync

import tasks.assembly.builder
from flows.build_batch import build_batch
from flows.command.cli import main
from tests.unit.builders import MadeUp


def work(client: SyncPrefectClient) -> None:
    """Run batches, one after the other, until the process is ended."""
    import time

    waiting = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])))
    while True:
        runs = client.read_flow_runs(flow_run_filter=waiting)
        for run in runs:
            try:
                propose_state_sync(client, Pending(), flow_run_id=run.id)
            except Abort:
                continue  # another worker was faster
            run_flow(build_batch, flow_run=client.read_flow_run(run.id), return_type="state")
            break
        else:
            time.sleep(0.5)


if __name__ == "__main__":
    platform = MadeUp()
    tasks.assembly.builder.open_platforms = lambda *_: [platform]  # type: ignore[assignment]
    if sys.argv[1] == "worker":
        with get_client(sync_client=True) as api:
            work(api)
    main()
