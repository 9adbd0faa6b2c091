"""What is done to a project: import, augment, generate, score, train, search, predict, studies.

Each workflow is one file: its parameters (a dataclass, checked when a job is submitted), ``run``,
and the title of its jobs. ``submit.create_job`` makes a job, ``runner.run_job`` runs it.
"""
