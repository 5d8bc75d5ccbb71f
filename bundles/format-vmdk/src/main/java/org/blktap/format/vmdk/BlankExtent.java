package org.blktap.format.vmdk;

import org.blktap.image.Place;

/** An extent without data: ZERO, which reads as zeros, or NOACCESS, whose reads fail. Neither can be written. */
final class BlankExtent extends Extent {
    private final boolean access;

    BlankExtent(VmdkImage.Part part) {
        super(part);
        access = part.line().access() != Descriptor.Access.NOACCESS;
    }

    @Override
    void find(long offset, long length, Place into) {
        if (access) {
            into.zero(length);
        } else {
            into.corrupt(length);
        }
    }
}
