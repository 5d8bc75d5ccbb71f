package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.openqa.selenium.Keys;

/**
 * The web page as a whole in a real Chromium: who may see it, what it looks like, the keyboard, its modules, and that
 * it comes back.
 */
class WebPageFrameIT extends WebPage {
    @Test
    void theTokenOpensThePage() throws Exception {
        browser.run("sessionStorage.clear()");
        browser.reload();
        browser.see("#token");
        assertEquals("token", browser.focused().getAttribute("name"), "the field has the focus");
        browser.type("#token", token());
        browser.click("button[type=submit]", "Sign in");
        browser.see("h1", "Disks");
        browser.reload();
        browser.see("h1", "Disks");
        browser.click("button[aria-label='Sign out']");
        browser.see("#token");
        browser.reload();
        browser.see("#token");
        assertEquals(0L, browser.run("return sessionStorage.length"));
    }

    @Test
    void aWrongTokenIsRefused() throws Exception {
        browser.click("button[aria-label='Sign out']");
        browser.type("#token", token().substring(1) + "x");
        browser.click("button[type=submit]", "Sign in");
        browser.see("[role=alert]", "does not accept this token");
        assertEquals("true", browser.see("#token").getAttribute("aria-invalid"));
        assertEquals(0L, browser.run("return sessionStorage.length"));
        browser.type("#token", token());
        browser.click("button[type=submit]", "Sign in");
        browser.see("h1", "Disks");
    }

    @Test
    void darkAndLightAreTheSystemsOrChosen() throws Exception {
        browser.systemTheme("light");
        double light = brightness();
        browser.systemTheme("dark");
        double dark = brightness();
        assertTrue(light > 200 && dark < 60, light + " " + dark);
        browser.click("label[title='Light theme']");
        assertEquals(light, brightness());
        browser.reload();
        browser.see("h1", "Disks");
        assertEquals(light, brightness(), "the choice is kept");
        browser.systemTheme("light");
        browser.click("label[title='Dark theme']");
        assertEquals(dark, brightness());
        browser.click("label[title='System theme']");
        assertEquals(light, brightness());
    }

    @Test
    void allIsDoneByKeyboardAlone() throws Exception {
        create("qcow2", "k.qcow2", "32M");
        Keyboard keyboard = new Keyboard(browser);
        keyboard.to("Skip to the content");
        keyboard.around();
        keyboard.to("Sign out");
        keyboard.press(Keys.ENTER);
        keyboard.at("Token");
        keyboard.press(token(), Keys.ENTER);
        browser.see("h1", "Disks");
        keyboard.to("Attach disk");
        keyboard.press(Keys.ENTER);
        keyboard.at("Image");
        keyboard.press(Keys.ESCAPE);
        keyboard.at("Attach disk");
        keyboard.press(Keys.ENTER);
        keyboard.at("Image");
        keyboard.press(directory.resolve("k.qcow2").toString());
        keyboard.to("Name");
        keyboard.press("k");
        keyboard.to("Attach");
        keyboard.press(Keys.ENTER);
        row("k", "running");
        keyboard.at("Attach disk");
        keyboard.to("k");
        keyboard.press(Keys.ENTER);
        browser.see("h1", "k");
        keyboard.around();
        keyboard.to("Park k");
        keyboard.press(Keys.ENTER);
        browser.see("h1 + .state", "parked");
        keyboard.at("Resume k");
        keyboard.press(Keys.SPACE);
        browser.see("h1 + .state", "running");
        keyboard.to("Snapshot");
        keyboard.press(Keys.ENTER);
        keyboard.at("Name");
        keyboard.press("by-keyboard", Keys.ENTER);
        browser.see("ol.chain", "by-keyboard");
        keyboard.at("Snapshot");
        keyboard.to("Add filter");
        keyboard.press(Keys.ENTER);
        keyboard.at("Filter");
        keyboard.press("throttle,iops=5000", Keys.ENTER);
        browser.see("section[aria-labelledby=filters-title]", "iops=5000");
        keyboard.at("Add filter");
        keyboard.to("Remove filter throttle");
        keyboard.press(Keys.ENTER);
        keyboard.at("Remove");
        keyboard.press(Keys.ENTER);
        keyboard.at("Add filter");
        browser.systemTheme("dark");
        keyboard.to("System theme");
        keyboard.press(Keys.ARROW_RIGHT);
        assertTrue(brightness() > 200);
        keyboard.press(Keys.ARROW_LEFT);
        assertTrue(brightness() < 60);
        browser.systemTheme("light");
        keyboard.to("Detach");
        keyboard.press(Keys.ENTER);
        keyboard.to("Detach");
        keyboard.press(Keys.ENTER);
        Wait.until("it is detached", () -> daemon.state("k").equals("absent"));
    }

    @Test
    void whatTheDaemonSaysIsTextAndNeverMarkup() throws Exception {
        String name = "<img src=x onerror=document.title='owned'><b>.img";
        daemon.attach(create("raw", name, "8M"), "a", "--node", "nbd");
        row("a", name);
        view("disks/a");
        browser.see("ol.chain", name);
        view("events");
        browser.see(".event-text", name);
        assertEquals(0L, browser.run("return document.querySelectorAll('main img, main b').length"));
        assertFalse(browser.run("return document.title").toString().contains("owned"));
    }

    @Test
    void everyViewFitsItsWindow() throws Exception {
        create("raw", "base-of-a-name-that-is-longer-than-usual.img", "64M");
        create("qcow2", "a.qcow2", "64M", "--backing", spec("raw", "base-of-a-name-that-is-longer-than-usual.img"));
        attachAll("a.qcow2");
        List<int[]> sizes = LONG
                ? List.of(new int[] {360, 740}, new int[] {768, 1024}, new int[] {1920, 1080}, new int[] {2560, 1440})
                : List.of(new int[] {390, 844});
        for (int[] size : sizes) {
            browser.size(size[0], size[1]);
            for (String each : List.of("Disks", "disks/a", "Jobs", "Bundles", "Events", "Health")) {
                view(each.toLowerCase(Locale.ROOT));
                browser.see("h1", each.replaceFirst(".*/", ""));
                assertEquals(
                        (long) size[0],
                        browser.run("return Math.max(document.documentElement.scrollWidth, innerWidth)"),
                        each + " at a width of " + size[0]);
            }
            view("disks");
            browser.click("button.attach");
            browser.click("dialog button", "Cancel");
        }
    }

    @Test
    void theModulesCompute() throws Exception {
        String units = Files.readString(
                Path.of(System.getProperty("project.root"), "itests/src/test/resources/page-units.js"));
        assertEquals(List.of(), browser.runAsync(units));
    }

    @Test
    void thePageComesBackAfterTheDaemon() throws Exception {
        daemon.attach(create("qcow2", "a.qcow2", "32M"), "a", "--node", "nbd");
        row("a", "running");
        browser.run("window.loadedOnce = true");
        daemon.kill();
        browser.see("#connection", "does not answer");
        daemon.start();
        browser.gone("#connection .offline", "");
        row("a", "running");
        view("events");
        browser.see(".event-table tbody tr", "resumed");
        // events arrive again, by the stream
        daemon.blktap("park", "a").ok();
        browser.see(".event-table tbody tr", "parked");
        assertEquals(true, browser.run("return window.loadedOnce"), "nobody has loaded it again");
    }
}
