"""Bulk runs: a model on many inputs, without a server.

source -> selection (the jobs that earlier runs have left)
       -> crew (one thread per worker, runs lost jobs again)
       -> worker (a model process, on this machine or in a Ray cluster)
       -> progress and journal
"""
