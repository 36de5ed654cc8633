// The rate at which models read.
export const RATE = 25; // frames per second
