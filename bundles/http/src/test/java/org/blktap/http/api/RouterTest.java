package org.blktap.http.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.reflect.Proxy;
import org.junit.jupiter.api.Test;

class RouterTest {
    private final Router router = new Router();

    RouterTest() {
        router.add("GET", "/attachments", ask -> reply("all"));
        router.add("POST", "/attachments", ask -> reply("attach"));
        router.add("GET", "/attachments/{id}", ask -> reply("one " + ask.segment(0)));
        router.add("POST", "/attachments/{id}/park", ask -> reply("park " + ask.segment(0)));
    }

    private static Reply reply(String text) {
        return new Reply(200, "text/plain", text, java.util.Map.of());
    }

    private static Ask ask(String method, String path) {
        return new Ask((jakarta.servlet.http.HttpServletRequest) Proxy.newProxyInstance(
                RouterTest.class.getClassLoader(),
                new Class<?>[] {jakarta.servlet.http.HttpServletRequest.class},
                (proxy, called, arguments) -> switch (called.getName()) {
                    case "getMethod" -> method;
                    case "getPathInfo" -> path;
                    default -> throw new UnsupportedOperationException(called.getName());
                }));
    }

    private String answer(String method, String path) throws Exception {
        return router.answer(ask(method, path)).text();
    }

    @Test
    void aPathAndAMethodFindWhatAnswers() throws Exception {
        assertEquals("all", answer("GET", "/attachments"));
        assertEquals("all", answer("HEAD", "/attachments"));
        assertEquals("attach", answer("POST", "/attachments"));
        assertEquals("one a b", answer("GET", "/attachments/a b"));
        assertEquals("one {id}", answer("GET", "/attachments/{id}"));
        assertEquals("park x", answer("POST", "/attachments/x/park"));
    }

    @Test
    void whatIsNotThereIsSaid() throws Exception {
        for (String path : new String[] {
            "/", "/attachment", "/attachments/a/b", "/attachments/a/park/x", "/ATTACHMENTS", "/attachments//park/"
        }) {
            assertEquals(
                    404,
                    assertThrows(ProblemException.class, () -> answer("GET", path), path)
                            .problem()
                            .status());
        }
        Reply reply = router.answer(ask("DELETE", "/attachments"));
        assertEquals(405, reply.status());
        assertEquals("GET, POST", reply.headers().get("Allow"));
    }
}
