"""Capacity: films a day to cores, replicas, storage and cost, by a queueing model that the service is compared with."""
