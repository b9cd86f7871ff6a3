"""Why a model answers otherwise than where its weights were made: `diagnose`. No torch here.

A cause is named by trying it: a model that gets BGR answers as the right one does with the channels
turned round, and as nothing else does.
"""
