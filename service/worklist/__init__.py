"""The task performer of IHE AI Workflow for Imaging: workitems by UPS-RS, films to the service; no HTTP routes."""
