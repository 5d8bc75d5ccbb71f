package org.blktap.deploy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BundleDiagnosisTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "osgi.wiring.package; (osgi.wiring.package=no.such.pkg); package no.such.pkg",
                "osgi.wiring.package; (&(osgi.wiring.package=no.such.pkg)(version>=1.0.0)); package no.such.pkg 1.0.0 or newer",
                "osgi.wiring.package; (&(osgi.wiring.package=no.such.pkg)(version>=1.0.0)(!(version>=2.0.0))); package no.such.pkg [1.0.0,2.0.0)",
                "osgi.wiring.bundle; (&(osgi.wiring.bundle=x)(bundle-version>=1.0.0)); bundle x 1.0.0 or newer",
                "osgi.ee; (&(osgi.ee=JavaSE)(version=99)); osgi.ee JavaSE 99",
                "osgi.service; (|(a=b)(c=d)); osgi.service (|(a=b)(c=d))"
            })
    void requirementsAreShownAsManifestsHaveThem(String namespace, String filter, String words) {
        assertEquals(words, BundleDiagnosis.inWords(namespace, filter));
    }
}
