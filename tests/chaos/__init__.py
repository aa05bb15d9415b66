"""``make chaos``: the whole desk under load, and everything that may go wrong, one after another.

``load`` sends, edits, reads and listens all the while and keeps a ledger of what was acknowledged;
``faults`` names what is done to the desk; ``checks`` counts again, from the tables, the node and
what every listener was last told. ``__main__`` runs them and prints one table.
"""
