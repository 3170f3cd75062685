//go:build !linux

package main

// rssUnit is how many bytes the kernel counts Maxrss in.
const rssUnit = 1
