package org.blktap.shell.command;

import java.io.PrintWriter;
import org.blktap.api.command.Call;
import org.blktap.api.command.Verb;

/** Base class of this bundle's verbs. A failure is an exception; its message is the line that the caller sees. */
abstract class TapCommand implements Verb {
    /** The call, while it runs. */
    VerbCall call;

    Surroundings here;

    @Override
    public final int run(Call given) throws Exception {
        call = (VerbCall) given;
        here = call.here();
        run(call.out());
        return status();
    }

    /** The exit status of a run that ended without an exception. */
    int status() {
        return 0;
    }

    abstract void run(PrintWriter out) throws Exception;
}
