package org.blktap.api.command;

/**
 * The terminal to which a verb prints.
 *
 * @param rows of characters
 * @param columns of characters
 */
public record Screen(int rows, int columns) {}
