"""Stand in for Lambda: functions, their pools of processes, and what passes between an event and its handler."""
