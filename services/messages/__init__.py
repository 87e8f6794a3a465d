"""Messages to people.

Their words, their way (text or call), their delivery and what follows a failure.
"""
