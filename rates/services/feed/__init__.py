"""The feed process: exchange ticks in, ready-made quotes out.

``table`` is what the operators decided; ``board`` and ``market`` hold the market and judge it;
``wire`` and ``composer`` write the bytes; ``lease`` and ``outbox`` guard and do the writing;
``runner`` ties them to the clock.
"""
