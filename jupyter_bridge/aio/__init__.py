"""Small pieces over asyncio that the parts share: tasks, deadlines, threads, pacing."""
