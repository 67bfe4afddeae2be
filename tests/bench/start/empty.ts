// Nothing: what a runtime takes by itself from its start to its exit.
export {};
