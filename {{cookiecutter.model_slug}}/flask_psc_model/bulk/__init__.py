"""Bulk runs: a model on many folders of inputs, without a server.

inputs -> jobs (one per folder) -> crew (one thread per worker, retries lost jobs)
       -> worker (a model process, on this machine or in a Ray cluster)
       -> progress and failures
"""
