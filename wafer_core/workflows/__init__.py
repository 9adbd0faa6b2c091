"""What is done to a project: import, augment, generate, score, train, search, predict.

Each workflow is one file: its parameters, their check, and ``run(context)``. ``submit.create_job``
turns one into a job, ``runner.run_job`` runs it.
"""
