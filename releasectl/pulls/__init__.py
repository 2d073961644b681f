"""What happens around pull requests: checks and plans as comments, people's commands, the bots' proposals.

It runs beside the passes and never in them: a forge that is slow or gone delays comments, not traffic.
"""
