"""Kubernetes: the chart, the variants of its values, and the manifests that Helm renders from both."""
