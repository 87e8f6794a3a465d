"""The conversation: steps, question kinds, understanding of answers.

Pure Python: no framework, provider, database, network, clock or randomness. What the outside
knows or does comes through `flows.world.World`; what is said leaves as keys of `prompts/`.
"""
