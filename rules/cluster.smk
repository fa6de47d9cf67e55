"""Checks before the first job: do images exist, can the cluster run it? After a failure: which node saw no files?

Requires: Slurm's own commands, if the executor is slurm; slurm/config.yaml and slurm/partitions.yaml.
Makes: nothing; this file has no rule. The Snakefile's onstart and onerror call it.
"""

import logging

from snakemake.logging import logger
from synth_empathy.execution import cluster, partition_file, silent_jobs, slurm


def check_partition_file():
    """Refuse a file of partitions that the executor could not read. The executor reads it before onstart."""
    file = Path(partition_file.PARTITIONS)
    if workflow.is_main_process and file.is_file():
        from snakemake_executor_plugin_slurm.partitions import PartitionLimits

        partition_file.check_partitions(file, PartitionLimits)


def check_apptainer():
    """Refuse a run without the program that its containers need; a dry-run continues with a warning."""
    if not CONTAINERS:
        return
    try:
        images.check_apptainer()
    except UserError as error:
        if not workflow.output_settings.dryrun:
            raise
        logger.warning(cluster.dry_run_warning(error))
        # Snakemake needs the program in a dry-run, too, unless the run is one without containers.
        settings = workflow.deployment_settings
        settings.deployment_method = frozenset(settings.deployment_method) - {DeploymentMethod.APPTAINER}


try:
    check_apptainer()
    check_partition_file()
except UserError as error:
    raise WorkflowError(str(error)) from None


#: The executor itself logs its choice of a partition, when it makes it.
SILENT = logging.Logger("partitions", logging.CRITICAL)


def partition_of(job):
    """The partition that the executor will choose for a job; None if none of the profile's takes it."""
    from snakemake_executor_plugin_slurm import partitions

    if job.resources.get("slurm_partition"):
        return str(job.resources["slurm_partition"])
    file = workflow.executor_settings.partition_config
    if not file:
        return partitions.get_default_partition(job, logger) or None
    return partitions.get_best_partition(partitions.read_partition_file(file), job, SILENT)


def need_of(job, attempt):
    """What a job requests from Slurm at one of its attempts."""
    first, job.attempt = job.attempt, attempt
    try:
        return current_need(job)
    finally:
        job.attempt = first


def current_need(job):
    """What a job requests from Slurm at its current attempt."""
    resources = job.resources
    return cluster.Need(
        job.rule.name,
        partition=partition_of(job),
        account=str(resources.get("slurm_account") or "") or None,
        gpus=resources.get("gpu", 0) or slurm.count_gpus(resources.get("gres", "")),
        cpus=resources.get("cpus_per_task") or job.threads,
        mem_mb=resources.get("mem_mb", 0),
        minutes=resources.get("runtime", 0),
        attempt=job.attempt,
    )


def comment_of(job):
    """The comment that the executor gives a job in Slurm."""
    from snakemake_executor_plugin_slurm.utils import get_job_wildcards

    values = get_job_wildcards(job)
    return f"rule_{job.name}_wildcards_{values}" if values else f"rule_{job.name}"


def jobs_to_run():
    """The jobs of this run that are not local."""
    return [job for job in workflow.dag.needrun_jobs() if not job.is_local]


def check_images():
    """Refuse a run whose image files are missing or outdated, before its first job."""
    if not CONTAINERS:
        return
    locations = {job.container_img_url for job in workflow.dag.needrun_jobs()}
    for location in sorted(locations - {None}):
        if "://" not in location:
            images.check_local(location)


def check_cluster():
    """Refuse a run that the cluster cannot take, before its first job."""
    if workflow.executor_plugin.name != "slurm":
        return
    settings = workflow.executor_settings
    executor = cluster.Executor(
        no_account=settings.no_account,
        status_command=settings.status_command,
        interval=settings.init_seconds_before_status_checks,
    )
    jobs = jobs_to_run()
    needs = [need_of(job, attempt + 1) for job in jobs for attempt in range(job.restart_times + 1)]
    for warning in cluster.check(needs, executor, Path.cwd(), {comment_of(job) for job in jobs}):
        logger.warning(warning)


def check_before_start():
    """Refuse, before anything is submitted, a run that is known to fail."""
    try:
        check_images()
        check_cluster()
    except UserError as error:
        raise WorkflowError(str(error)) from None


def explain_failure(logs):
    """Name the nodes on which jobs failed without a log; logs are this run's own."""
    if workflow.executor_plugin.name != "slurm":
        return
    text = "".join(Path(path).read_text(errors="replace") for path in logs)
    patience = workflow.execution_settings.latency_wait
    explanation = silent_jobs.explain_silence(text, Path.cwd(), patience)
    if explanation:
        logger.error(explanation)
