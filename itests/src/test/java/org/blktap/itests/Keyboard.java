package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import org.openqa.selenium.Keys;

/** A user without a mouse. Fails where the focus cannot be seen, or does not come on. */
final class Keyboard {
    /** More than a view has places for the focus. */
    private static final int MOST = 150;

    private final Browser browser;

    Keyboard(Browser browser) {
        this.browser = browser;
    }

    /** Presses Tab until the focus is on an element of a name. */
    void to(String wanted) {
        StringBuilder passed = new StringBuilder();
        for (int i = 0; i < MOST; i++) {
            browser.press(Keys.TAB);
            String name = name();
            if (!name.isEmpty()) {
                assertTrue(isFocusSeen(), "the focus cannot be seen on " + name);
            }
            if (is(name, wanted)) {
                return;
            }
            passed.append(name).append(" | ");
        }
        fail(wanted + " is not reached: " + passed);
    }

    void press(CharSequence... keys) {
        browser.press(keys);
    }

    /** Waits until the focus is on an element of a name. */
    void at(String wanted) throws Exception {
        Wait.until("the focus is at " + wanted + ", not " + name(), () -> is(name(), wanted));
    }

    /** Goes once around, and fails unless it comes back to where it began. */
    void around() {
        browser.press(Keys.TAB);
        browser.run("window.begin = document.activeElement");
        for (int i = 0; i < MOST; i++) {
            browser.press(Keys.TAB);
            if (Boolean.TRUE.equals(browser.run("return document.activeElement === window.begin"))) {
                return;
            }
        }
        assertEquals("the beginning", name(), "the focus is caught");
    }

    /** A name is the label and the text: the first of them is enough. */
    private static boolean is(String name, String wanted) {
        return name.equals(wanted) || name.startsWith(wanted + " ");
    }

    /** What the element with the focus is called; empty if none has it. */
    private String name() {
        return browser.run("const at = document.activeElement; if (!at || at === document.body) return '';"
                        + "const label = at.labels?.[0]?.textContent ?? '';"
                        + "return [at.getAttribute('aria-label'), label, at.matches('input, select') ? '' : at.textContent]"
                        + ".filter(Boolean).join(' ').replace(/\\s+/g, ' ').trim() || at.tagName")
                .toString();
    }

    /** An outline of the element, or of the label around it. */
    private boolean isFocusSeen() {
        return Boolean.TRUE.equals(browser.run("const at = document.activeElement;"
                + "return [at, at.closest('label')].some(each => each && getComputedStyle(each).outlineStyle !== 'none'"
                + " && parseFloat(getComputedStyle(each).outlineWidth) >= 1)"));
    }
}
