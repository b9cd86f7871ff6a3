"""Who carries out the jobs of a run: our pool of rows, the AutoAttack authors' package."""
