"""Copies of the whole database: taken while it is written to, and checked row by row when put back.

A copy is a folder of two files: ``database.dump``, in pg_dump's custom format, which
pg_restore alone can put back too, and ``manifest.json``, which counts and hashes every table as it
was in that same moment.
"""
