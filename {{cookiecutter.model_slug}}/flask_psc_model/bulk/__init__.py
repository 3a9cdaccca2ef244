"""Bulk runs: a model on many folders of inputs, without a server.

inputs -> jobs (one a folder) -> crew (one thread a worker, jobs of a lost one again)
       -> worker (a model process, here or on a machine of a Ray cluster)
       -> record (progress, failures)
"""
