package org.blktap.filter.luks;

import java.util.function.Consumer;
import org.blktap.api.disk.Operation;
import org.blktap.api.disk.Request;
import org.blktap.api.engine.ExtentList;

/** A request without data, passed on at the offset of the encrypted data. Reused. */
final class ShiftedRequest extends Request {
    private final ExtentList found = new ExtentList();
    private Request original;

    /** @param free takes this request when it has ended */
    ShiftedRequest(Consumer<ShiftedRequest> free) {
        super(ended -> ((ShiftedRequest) ended).ended(free), 0);
    }

    ShiftedRequest of(Request request) {
        original = request;
        return this;
    }

    ShiftedRequest map(long offset, long length, int context) {
        found.clear();
        setMap(offset, length, found, context);
        return this;
    }

    private void ended(Consumer<ShiftedRequest> free) {
        Request answered = original;
        original = null;
        if (operation() == Operation.MAP) {
            for (int i = 0; i < found.count(); i++) {
                // unencrypted zeros are not zeros after decryption, and clients take a hole for zeros
                int state = context() == 0 ? ExtentList.DATA : found.state(i);
                answered.extents().add(found.length(i), state, found.depth(i));
            }
        }
        int error = error();
        free.accept(this);
        answered.complete(error);
    }
}
