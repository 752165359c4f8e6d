"""Artifacts: named files that stages of a pipeline leave, used while they match their inputs."""
