"""One process that runs a study: from the study file to its report, by way of Ray."""
