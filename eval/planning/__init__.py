"""What a run will cost: passes and their time, the first steps tried, what is known of others."""
