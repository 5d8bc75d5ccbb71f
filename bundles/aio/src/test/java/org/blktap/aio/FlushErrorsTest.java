package org.blktap.aio;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import org.blktap.api.engine.Errno;
import org.junit.jupiter.api.Test;

class FlushErrorsTest {
    private static FlushErrors of(boolean direct) {
        return new FlushErrors(new OpenedFile(
                Path.of("/vm/a.img"), -1, true, false, direct, 4096, 512, 4096, direct ? 512 : 1, direct ? 512 : 1));
    }

    /** The kernel has dropped what it could not write, and reports nothing more. */
    @Test
    void thePageCacheIsNotTrustedAgain() {
        FlushErrors errors = of(false);
        assertEquals(0, errors.result(0, errors.failures()));
        assertEquals(Errno.EIO, errors.result(Errno.EIO, errors.failures()));
        assertEquals(Errno.EIO, errors.result(0, errors.failures()), "began after the failure");
        assertEquals(Errno.ENOSPC, errors.result(Errno.ENOSPC, errors.failures()));
        assertEquals(Errno.ENOSPC, errors.result(0, errors.failures()));
    }

    @Test
    void aFailureCountsForAllFlushesThatWereUnderWay() {
        FlushErrors errors = of(true);
        int one = errors.failures();
        int two = errors.failures();
        assertEquals(Errno.EIO, errors.result(Errno.EIO, one));
        assertEquals(Errno.EIO, errors.result(0, two));
        assertEquals(0, errors.result(0, errors.failures()), "with O_DIRECT the next flush is another's word");
    }
}
