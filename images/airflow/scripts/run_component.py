"""Run a component of Airflow that has a job: scheduler, dag-processor or triggerer, with a health endpoint for probes."""

import argparse
import sys

import job_health
import run_dag_processor
import run_scheduler


def main(arguments: list[str]) -> None:
    """`run_component.py scheduler --health-port 8974 --heartbeat-seconds 60`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("component", choices=["scheduler", "dag-processor", "triggerer"])
    parser.add_argument("--health-port", type=int, required=True)
    parser.add_argument(
        "--heartbeat-seconds", type=float, required=True, help="how old a heartbeat may be"
    )
    options = parser.parse_args(arguments)
    heart = job_health.Heart(options.heartbeat_seconds)
    # Before Airflow is imported: until the job starts, a probe is told that it has not.
    job_health.serve(options.health_port, heart)
    if options.component == "scheduler":
        run_scheduler.prepare()
    elif options.component == "dag-processor":
        run_dag_processor.prepare()
    from airflow.jobs.job import Job

    job_health.follow(Job, heart)
    from airflow.__main__ import main as airflow

    sys.argv = ["airflow", options.component]
    airflow()


if __name__ == "__main__":
    main(sys.argv[1:])
