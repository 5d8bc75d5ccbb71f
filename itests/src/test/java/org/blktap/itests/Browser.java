package org.blktap.itests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.logging.Level;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.openqa.selenium.By;
import org.openqa.selenium.NoSuchElementException;
import org.openqa.selenium.OutputType;
import org.openqa.selenium.StaleElementReferenceException;
import org.openqa.selenium.WebDriverException;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeDriverService;
import org.openqa.selenium.chrome.ChromeOptions;
import org.openqa.selenium.interactions.Actions;
import org.openqa.selenium.logging.LogEntry;
import org.openqa.selenium.logging.LogType;
import org.openqa.selenium.logging.LoggingPreferences;
import org.opentest4j.TestAbortedException;

/** Chromium without a screen, driven as a user would. All that it writes is in one directory. */
final class Browser implements AutoCloseable {
    static final int WIDTH = 1280;
    static final int HEIGHT = 800;

    private static final Path CHROMIUM = Path.of("/usr/bin/chromium");
    private static final Path DRIVER = Path.of("/usr/bin/chromedriver");

    private final ChromeDriverService service;
    private final ChromeDriver driver;

    private Browser(ChromeDriverService service, ChromeDriver driver) {
        this.service = service;
        this.driver = driver;
    }

    /** Starts one; skips the test where Chromium is not installed. */
    static Browser started(Path directory) throws Exception {
        assumeTrue(
                Files.isExecutable(CHROMIUM) && Files.isExecutable(DRIVER),
                "no chromium and chromium-driver: itests/packages browser installs them");
        String home = Files.createDirectories(directory).toString();
        ChromeOptions options = new ChromeOptions();
        options.setBinary(CHROMIUM.toFile());
        // root has no sandbox, and a container has a small /dev/shm; nothing is asked of other hosts
        options.addArguments(
                "--headless=new",
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--lang=en",
                "--hide-scrollbars",
                "--force-prefers-reduced-motion",
                "--user-data-dir=" + home + "/profile");
        LoggingPreferences logs = new LoggingPreferences();
        logs.enable(LogType.BROWSER, Level.ALL);
        options.setCapability("goog:loggingPrefs", logs);
        ChromeDriverService service = new ChromeDriverService.Builder()
                .usingDriverExecutable(DRIVER.toFile())
                .usingAnyFreePort()
                .withEnvironment(Map.of("TMPDIR", home, "HOME", home, "PATH", System.getenv("PATH")))
                .withLogFile(directory.resolve("chromedriver.log").toFile())
                .build();
        service.start();
        try {
            Browser browser = new Browser(service, new ChromeDriver(service, options));
            browser.size(WIDTH, HEIGHT);
            return browser;
        } catch (WebDriverException e) {
            service.stop();
            throw e;
        }
    }

    void open(String url) {
        driver.get(url);
    }

    void reload() {
        driver.navigate().refresh();
    }

    /** The size of the window's content, in pixels; below 600 it is that of a phone. */
    void size(int width, int height) {
        devtools(
                "Emulation.setDeviceMetricsOverride",
                Map.of("width", width, "height", height, "deviceScaleFactor", 1, "mobile", width < 600));
    }

    /** What the system prefers: {@code light} or {@code dark}. */
    void systemTheme(String name) {
        devtools(
                "Emulation.setEmulatedMedia",
                Map.of("features", List.of(Map.of("name", "prefers-color-scheme", "value", name))));
    }

    private void devtools(String command, Map<String, Object> parameters) {
        driver.executeCdpCommand(command, parameters);
    }

    /** Runs JavaScript in the page. */
    Object run(String script, Object... arguments) {
        return driver.executeScript(script, arguments);
    }

    /** Runs the body of an asynchronous function of JavaScript in the page, until it has ended. */
    Object runAsync(String body) {
        return driver.executeAsyncScript("const done = arguments[arguments.length - 1];" + "(async () => {" + body
                + "\n})().then(done, error => done([`${error.stack}`]))");
    }

    /** Waits for an element that is shown. */
    WebElement see(String selector) throws Exception {
        return see(selector, "");
    }

    /** Waits for an element that is shown and whose text contains another. */
    WebElement see(String selector, String text) throws Exception {
        WebElement[] found = new WebElement[1];
        Wait.until(selector + " shows " + text, () -> {
            found[0] = now(selector, text);
            return found[0] != null;
        });
        return found[0];
    }

    /** The texts of all such elements. */
    List<String> all(String selector) {
        return driver.findElements(By.cssSelector(selector)).stream()
                .map(WebElement::getText)
                .toList();
    }

    /** Waits until no such element is shown. */
    void gone(String selector, String text) throws Exception {
        Wait.until(selector + " with " + text + " is gone", () -> now(selector, text) == null);
    }

    /** An element that is shown now, or null. */
    WebElement now(String selector, String text) {
        try {
            for (WebElement each : driver.findElements(By.cssSelector(selector))) {
                if (each.isDisplayed() && each.getText().contains(text)) {
                    return each;
                }
            }
        } catch (StaleElementReferenceException | NoSuchElementException e) {
            // drawn anew meanwhile
        }
        return null;
    }

    /** Clicks on an element when it is there and can be clicked. */
    void click(String selector, String text) throws Exception {
        WebElement[] last = new WebElement[1];
        Wait.until(selector + " with " + text + " can be clicked", () -> {
            last[0] = now(selector, text);
            if (last[0] == null || !last[0].isEnabled()) {
                return false;
            }
            try {
                last[0].click();
                return true;
            } catch (WebDriverException e) {
                // moved or covered at this moment
                return false;
            }
        });
    }

    void click(String selector) throws Exception {
        click(selector, "");
    }

    /** Types into a field, in place of what is in it. */
    void type(String selector, String text) throws Exception {
        WebElement field = see(selector);
        field.clear();
        field.sendKeys(text);
    }

    /** Gives a file to an input of files, hidden or not. */
    void choose(String selector, Path file) throws IOException {
        driver.findElement(By.cssSelector(selector)).sendKeys(file.toRealPath().toString());
    }

    /** Presses keys, wherever the focus is. */
    void press(CharSequence... keys) {
        new Actions(driver).sendKeys(keys).perform();
    }

    /** The element with the focus. */
    WebElement focused() {
        return driver.switchTo().activeElement();
    }

    String body() {
        try {
            return driver.findElement(By.tagName("body")).getText();
        } catch (WebDriverException e) {
            return e.toString();
        }
    }

    /** A picture of what is seen, as a PNG file. */
    byte[] picture() {
        return driver.getScreenshotAs(OutputType.BYTES);
    }

    /** Fails if the page had an error of its own: of a script, or against the policy of its contents. */
    void assertNoComplaint() {
        List<String> complaints = driver.manage().logs().get(LogType.BROWSER).getAll().stream()
                .filter(each -> each.getLevel().intValue() >= Level.WARNING.intValue())
                .map(LogEntry::getMessage)
                // refusals and absence of the daemon are what stories are about
                .filter(each -> !each.contains("Failed to load resource"))
                .toList();
        assertEquals(List.of(), complaints);
    }

    /** Keeps a picture and the page's text in target/browser. Returns the failure of a test with the picture's path. */
    Throwable keep(ExtensionContext test, Throwable failure) throws IOException {
        if (failure instanceof TestAbortedException) {
            return failure;
        }
        Path kept = Files.createDirectories(Path.of(System.getProperty("project.root"), "itests/target/browser"));
        String name = test.getRequiredTestClass().getSimpleName() + "."
                + test.getRequiredTestMethod().getName();
        Path picture = Files.write(kept.resolve(name + ".png"), picture());
        Files.writeString(kept.resolve(name + ".txt"), body());
        return new AssertionError(picture.toRealPath() + " shows what was seen last; " + failure.getMessage(), failure);
    }

    @Override
    public void close() {
        try {
            driver.quit();
        } finally {
            service.stop();
        }
    }
}
